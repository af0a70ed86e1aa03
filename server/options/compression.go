package options

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
)

// Compression says how what one server sends to another is compressed.
type Compression struct {
	Mode CompressionMode
	// RTTThresholds are for CompressionAuto, and nil for other modes: up to the
	// first round trip time nothing is compressed, up to the second fast, up to
	// the third better, and from there on best. A level whose threshold is 0 is
	// left out; the others ascend.
	RTTThresholds []time.Duration
}

// CompressionMode is how to compress.
type CompressionMode uint8

// The modes. CompressionAccept compresses if the other server begins to, and is
// the default among the servers of a cluster.
const (
	CompressionAccept CompressionMode = iota
	CompressionOff
	CompressionAuto
	CompressionFast
	CompressionBetter
	CompressionBest
)

// compressionNames are the spellings of the modes, the one that is shown first.
var compressionNames = [...][]string{
	CompressionAccept: {"accept"},
	CompressionOff:    {"off", "disabled", "false"},
	CompressionAuto:   {"s2_auto", "auto"},
	CompressionFast:   {"s2_fast", "fast"},
	CompressionBetter: {"s2_better", "better"},
	CompressionBest:   {"s2_best", "best"},
}

// String returns the mode as the configuration and the protocol spell it.
func (m CompressionMode) String() string { return compressionNames[m][0] }

// maxRTTThresholds is a threshold for each level.
const maxRTTThresholds = 4

// compressionBlock is for the form of the key that is a map. The mode stays a
// word until it is known what "on" means there.
var compressionBlock = newBlock("compression", unknownField, []row[compressionWords]{
	{"mode", text(func(c *compressionWords) *string { return &c.mode })},
	{"rtt_thresholds thresholds rtts rtt", setThresholds},
})

type compressionWords struct {
	mode       string
	thresholds []time.Duration
}

// compression stores how to compress. The mode for on is what the key chooses if
// it says no more than that.
func compression[T any](on CompressionMode, field func(*T) *Compression) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		var words compressionWords
		switch v := e.Value; v.Kind {
		case conf.KindBool:
			words.mode = strconv.FormatBool(v.Bool)
		case conf.KindString:
			words.mode = v.Str
		case conf.KindMap:
			words.mode = field(t).Mode.String()
			before := len(d.problems.Errors)
			compressionBlock.decode(d, v.Map, &words)
			if len(d.problems.Errors) > before {
				return
			}
		default:
			d.fail(e.Pos, "field %q should be a boolean or a structure, got %v", strings.ToLower(e.Key), v.Kind)
			return
		}
		c, err := words.understand(on)
		if err != nil {
			d.fail(e.Pos, "%v", err)
			return
		}
		*field(t) = c
	}
}

func setThresholds(d *decoder, e *conf.Entry, c *compressionWords) {
	if !d.is(e.Value, conf.KindArray) {
		return
	}
	c.thresholds = make([]time.Duration, 0, len(e.Value.List))
	for _, v := range e.Value.List {
		if !d.is(v, conf.KindString) {
			continue
		}
		value, err := time.ParseDuration(v.Str)
		if err != nil {
			d.fail(v.Pos, "%v", err)
			continue
		}
		c.thresholds = append(c.thresholds, max(value, 0))
	}
}

// understand gives the words their meaning.
func (w compressionWords) understand(on CompressionMode) (Compression, error) {
	mode, ok := on, true
	switch word := strings.ToLower(w.mode); word {
	case "on", "enabled", "true":
	default:
		i := slices.IndexFunc(compressionNames[:], func(names []string) bool { return slices.Contains(names, word) })
		mode, ok = CompressionMode(max(i, 0)), i >= 0
	}
	if !ok {
		return Compression{}, fmt.Errorf("unsupported compression mode %q", w.mode)
	}
	c := Compression{Mode: mode}
	if mode != CompressionAuto {
		return c, nil
	}
	c.RTTThresholds = w.thresholds
	if len(w.thresholds) == 0 {
		c.RTTThresholds = slices.Clone(defaultRTTThresholds)
	}
	if err := c.check(); err != nil {
		return Compression{}, err
	}
	// Levels left out at the end are as good as not named.
	for c.RTTThresholds[len(c.RTTThresholds)-1] == 0 {
		c.RTTThresholds = c.RTTThresholds[:len(c.RTTThresholds)-1]
	}
	return c, nil
}

// check demands thresholds of CompressionAuto that ascend.
func (c Compression) check() error {
	if c.Mode != CompressionAuto {
		return nil
	}
	var last time.Duration
	named := 0
	for i, limit := range c.RTTThresholds {
		if limit == 0 {
			continue
		}
		if limit < last {
			return fmt.Errorf("RTT threshold values %v should be in ascending order", c.RTTThresholds)
		}
		last, named = limit, i+1
	}
	switch {
	case named == 0:
		return fmt.Errorf("compression mode %q requires at least one RTT threshold", c.Mode)
	case named > maxRTTThresholds:
		return fmt.Errorf("compression mode %q should have no more than %d RTT thresholds: %v", c.Mode, maxRTTThresholds, c.RTTThresholds)
	}
	return nil
}
