// Command grafana-schema reads dashboards strictly: every field must be one that
// Grafana's own schema has, of the right type, and none that it wants may be
// missing. The schema is in Grafana's Foundation SDK.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	// The kinds that our dashboards use: all of them take a minute to compile.
	kinds := cog.NewRuntime()
	kinds.RegisterPanelcfgVariant(bargauge.VariantConfig())
	kinds.RegisterPanelcfgVariant(heatmap.VariantConfig())
	kinds.RegisterPanelcfgVariant(stat.VariantConfig())
	kinds.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	kinds.RegisterPanelcfgVariant(table.VariantConfig())
	kinds.RegisterPanelcfgVariant(timeseries.VariantConfig())
	kinds.RegisterDataqueryVariant(prometheus.VariantConfig())
	status := 0
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Printf("%s:\n%v\n", path, err)
			status = 1
		}
	}
	os.Exit(status)
}

func check(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	board := dashboard.Dashboard{}
	if err := board.UnmarshalJSONStrict(data); faulty(err) {
		return err
	}
	if err := board.Validate(); faulty(err) {
		return err
	}
	return nil
}

// faulty tells whether an error says anything: a good dashboard gives an empty
// list of errors that is not nil.
func faulty(err error) bool {
	var all cog.BuildErrors
	if errors.As(err, &all) {
		return len(all) > 0
	}
	return err != nil
}
