{{- define "sluice.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* 50 characters: the longest suffix is "-dashboards", and a label holds 63. */}}
{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "sluice.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Immutable in a Deployment: nothing here may depend on a version. */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sluice.metadata" -}}
name: {{ include "sluice.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "sluice.labels" . | nindent 2 }}
{{- end -}}

{{- define "sluice.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "sluice.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "sluice.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The port of an address in `config`, which is checked in _checks.tpl. */}}
{{- define "sluice.port" -}}
{{- regexFind "[0-9]+$" (toString .) -}}
{{- end -}}

{{/* The server's configuration: `config`, and what follows from `tls` and `redis`. */}}
{{- define "sluice.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict "cert" "/etc/sluice-tls/tls.crt" "key" "/etc/sluice-tls/tls.key" -}}
{{- if .Values.tls.clientCa.existingSecret -}}
{{- $_ := set $tls "client_ca" (printf "/etc/sluice-client-ca/%s" .Values.tls.clientCa.key) -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if .Values.redis.existingSecret -}}
{{- $_ := set $config "state" (mergeOverwrite (dict) ($config.state | default dict) (dict "redis" "${SLUICE_REDIS_URL}")) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "sluice.drain" -}}
{{- $server := .Values.config.server | default dict -}}
{{- hasKey $server "drain_grace_seconds" | ternary $server.drain_grace_seconds 30 -}}
{{- end -}}

{{/* Whole seconds that a pod needs from its removal to its end. */}}
{{- define "sluice.needed" -}}
{{- $drain := include "sluice.drain" . | float64 | ceil | int -}}
{{- add .Values.shutdown.preStopSeconds $drain .Values.shutdown.marginSeconds -}}
{{- end -}}

{{- define "sluice.grace" -}}
{{- .Values.shutdown.gracePeriodSeconds | default (include "sluice.needed" .) | int -}}
{{- end -}}
