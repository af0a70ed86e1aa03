package stream

import (
	"bytes"
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// applyRestore stores a message of a backup as it is: it was transformed, published
// again and looked at when it was stored first. The limits of the stream hold for it.
func (c *Core) applyRestore(in *reader, now int64, r *Result) error {
	p, seq, time, err := c.numbered(in, r)
	if p == nil {
		return err
	}
	p.head.scan(p.header)
	c.noteOrigin(p.head.source)
	return c.putAs(p, seq, time, now, r)
}

// noteOrigin takes the position of a source from what a message that came from it says:
// it is nowhere else in a backup.
func (c *Core) noteOrigin(header []byte) {
	if len(header) == 0 || len(c.rules.origins) == 0 {
		return
	}
	// name, number, filters, destinations, subject; identity if it is known
	parts := bytes.Split(header, []byte(" "))
	if len(parts) < 5 {
		return
	}
	n, err := strconv.ParseUint(string(parts[1]), 10, 64)
	seq := store.Seq(n)
	if err != nil || seq > maxSeq {
		return
	}
	identity := ""
	if len(parts) > 5 {
		identity = string(parts[5])
	}
	tail := string(parts[2]) + " " + string(parts[3])
	for key, from := range c.rules.origins {
		if from.name != string(parts[0]) || from.tail != tail {
			continue
		}
		if c.sources == nil {
			c.sources = make(map[string]*position)
		}
		c.sources[key] = &position{identity: identity, seq: seq}
	}
}

// applyRestoreEnd ends a stream that was restored where the one that was backed up has
// ended: the newest messages of that may be gone.
func (c *Core) applyRestoreEnd(in *reader, _ int64, r *Result) error {
	seq, time := in.seq(), in.Varint()
	if !in.End() || time < 0 {
		return errMalformed
	}
	return c.skip(seq, time, r)
}
