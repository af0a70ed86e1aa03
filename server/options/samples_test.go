package options

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// The sample files that come with the server say nothing that it does not
// understand, other than features to come and certificates to be made.
func TestSamples(t *testing.T) {
	samples, err := filepath.Glob("../../conf/samples/*.conf")
	if err != nil || len(samples) == 0 {
		t.Fatalf("samples %v, error %v", samples, err)
	}
	cluster, err := filepath.Glob("../../conf/cluster/*.conf")
	if err != nil || len(cluster) != 4 {
		t.Fatalf("samples %v, error %v", cluster, err)
	}
	for _, path := range append(append(samples, cluster...), "../../conf/nats-lite.conf") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			o, warnings, err := FromFile(path)
			if len(warnings) > 0 {
				t.Errorf("warnings %v", warnings)
			}
			if wrong, ok := errors.AsType[*ConfigError](err); ok {
				for _, p := range wrong.Errors {
					if !strings.Contains(p.Msg, "is not supported by this version") && !strings.Contains(p.Msg, "no such file or directory") {
						t.Error(p)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
