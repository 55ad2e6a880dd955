// Command chart-judge reads Kubernetes' objects from standard input and holds
// them to two standards that no schema of Kubernetes has: pods to the level
// "restricted" of Pod Security, by the code that admits them to a cluster, and
// objects of Prometheus' operator to its own types, strictly.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	strict "sigs.k8s.io/yaml"
)

// The versions of the standard are those of Kubernetes; `latest` is the newest
// that this program knows.
var levels = []api.LevelVersion{
	{Level: api.LevelRestricted, Version: api.MajorMinorVersion(1, 32)},
	{Level: api.LevelRestricted, Version: api.LatestVersion()},
}

func main() {
	faults, err := judge(os.Stdin)
	if err != nil {
		faults = append(faults, err.Error())
	}
	for _, fault := range faults {
		fmt.Println(fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func judge(input io.Reader) ([]string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	var faults []string
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return faults, nil
		}
		if err != nil {
			return faults, err
		}
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := strict.Unmarshal(document, &head); err != nil {
			return faults, err
		}
		kind := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind)
		switch {
		case kind.Kind == "Deployment":
			var deployment appsv1.Deployment
			if err := strict.UnmarshalStrict(document, &deployment); err != nil {
				faults = append(faults, err.Error())
				continue
			}
			pod := deployment.Spec.Template
			for _, level := range levels {
				results := evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)
				if all := policy.AggregateCheckResults(results); !all.Allowed {
					faults = append(faults, fmt.Sprintf("%s: %s", level, all.ForbiddenDetail()))
				}
			}
		case kind.Group == monitoring.GroupName:
			object, known := map[string]any{
				monitoringv1.ServiceMonitorsKind: &monitoringv1.ServiceMonitor{},
				monitoringv1.PrometheusRuleKind:  &monitoringv1.PrometheusRule{},
			}[kind.Kind]
			if !known {
				faults = append(faults, kind.String()+": is not known here")
			} else if err := strict.UnmarshalStrict(document, object); err != nil {
				faults = append(faults, fmt.Sprintf("%s: %v", kind.Kind, err))
			}
		}
	}
}
