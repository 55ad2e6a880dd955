{{/* What must fit between the chart and the server's configuration; all faults are told at once.
     Whether the configuration itself is right is the server's business: `sluice-server check`. */}}
{{- define "sluice.checks" -}}
{{- $faults := list -}}
{{- $config := .Values.config -}}
{{- $management := $config.management | default dict -}}
{{- range $key, $address := dict "listen" $config.listen "management.health" $management.health "management.metrics" $management.metrics -}}
{{- if and (eq $key "management.metrics") (kindIs "invalid" $address) -}}
{{- if or $.Values.monitoring.serviceMonitor.enabled $.Values.autoscaling.enabled -}}
{{- $faults = append $faults "config.management.metrics: is closed, but the ServiceMonitor and the autoscaler's metric are read there" -}}
{{- end -}}
{{- else if not (regexMatch ":[1-9][0-9]*$" (toString $address)) -}}
{{- $faults = append $faults (printf "config.%s: must be host:port with a fixed port, for example 0.0.0.0:50051" $key) -}}
{{- else if regexMatch "^(127\\.|localhost:|\\[::1\\])" $address -}}
{{- $faults = append $faults (printf "config.%s: listens on loopback, where nothing outside of the pod reaches it; use 0.0.0.0 or [::]" $key) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.tls.existingSecret $config.tls -}}
{{- $faults = append $faults "tls.existingSecret: config.tls says it already; leave one of them out" -}}
{{- end -}}
{{- if and .Values.tls.clientCa.existingSecret (not .Values.tls.existingSecret) -}}
{{- $faults = append $faults "tls.clientCa.existingSecret: wants tls.existingSecret, the server's own certificate" -}}
{{- end -}}
{{- if and .Values.redis.existingSecret ($config.state | default dict).redis -}}
{{- $faults = append $faults "redis.existingSecret: config.state.redis says it already; leave one of them out" -}}
{{- end -}}
{{- $closed := and (or .Values.tls.existingSecret $config.tls) $config.callers -}}
{{- if not (or $closed (eq (toString $config.insecure) "true")) -}}
{{- $faults = append $faults "config: everybody could call; set tls.existingSecret and config.callers, or config.insecure: true where a mesh or the network encrypts and admits" -}}
{{- end -}}
{{- if not (or $config.providers ($config.local | default dict).enabled) -}}
{{- $faults = append $faults "config.providers: names nobody; configure one, or set config.local.enabled: true with an image that has the model" -}}
{{- end -}}
{{- $drain := include "sluice.drain" . -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?$" $drain) -}}
{{- $faults = append $faults "config.server.drain_grace_seconds: must be a number here, since the pod's grace period follows from it" -}}
{{- else if and .Values.shutdown.gracePeriodSeconds (lt (int (include "sluice.grace" .)) (int (include "sluice.needed" .))) -}}
{{- $faults = append $faults (printf "shutdown.gracePeriodSeconds: is %s, but sleep, drain and margin take %s; running calls would be killed" (include "sluice.grace" .) (include "sluice.needed" .)) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $faults = append $faults "autoscaling.minReplicas: is more than maxReplicas" -}}
{{- end -}}
{{- if and .enabled (not .activeStreams) (not .cpuPercent) -}}
{{- $faults = append $faults "autoscaling: has nothing to go by; set activeStreams or cpuPercent" -}}
{{- end -}}
{{- if and .enabled .cpuPercent (not ($.Values.resources.requests | default dict).cpu) -}}
{{- $faults = append $faults "autoscaling.cpuPercent: is a share of resources.requests.cpu, which is not set" -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n%d faults in the values:\n  %s" (len $faults) (join "\n  " $faults)) -}}
{{- end -}}
{{- end -}}
