package transport

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// maxComplaints bounds what is remembered of complaints. When so many are new
	// within complaintAgain, further ones are only counted.
	maxComplaints = 1024
	// complaintAgain is when a complaint is told again that is still made.
	complaintAgain = time.Hour
)

// complaints keep a log from telling the same of the same again and again.
type complaints struct {
	mu sync.Mutex
	// told is when each was told, since the transport was made.
	told map[complaint]time.Duration
}

type complaint struct{ about, reason string }

// first reports whether a complaint is to be told.
func (c *complaints) first(about string, err error, now time.Duration) bool {
	key := complaint{about, reasonOf(err)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.told[key]; ok && now-at < complaintAgain {
		return false
	}
	if len(c.told) >= maxComplaints {
		for key, at := range c.told {
			if now-at >= complaintAgain {
				delete(c.told, key)
			}
		}
		if len(c.told) >= maxComplaints {
			return false
		}
	}
	if c.told == nil {
		c.told = make(map[complaint]time.Duration)
	}
	c.told[key] = now
	return true
}

// settle forgets the complaints about somebody, with whom all is well now.
func (c *complaints) settle(about string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.told {
		if key.about == about {
			delete(c.told, key)
		}
	}
}

// reasonOf is what errors have in common that are told once. Figures make no
// difference: they are ports, times and sizes.
func reasonOf(err error) string {
	if refusal := (*RefusedError)(nil); errors.As(err, &refusal) {
		return fmt.Sprint("refused: ", refusal.Reason)
	}
	text := strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, err.Error())
	return text[:min(len(text), 256)]
}
