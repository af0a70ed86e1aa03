package stream

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/schedule"
)

// Zones finds a time zone by its name. It is the leader's, and may read files.
type Zones func(name string) (*time.Location, error)

// PlanSchedule finds out what is to become of a message with such a header.
func PlanSchedule(header []byte, now int64, zones Zones) Plan {
	var h headers
	h.scan(header)
	if len(h.schedule) == 0 {
		return Plan{}
	}
	s, verdict := parseSchedule(&h, zones)
	if verdict != Scheduled {
		return Plan{Verdict: verdict}
	}
	first, ok := s.First(time.Unix(0, now))
	if !ok {
		return Plan{Verdict: BadPattern}
	}
	return Plan{Verdict: Scheduled, Due: first.UnixNano()}
}

func parseSchedule(h *headers, zones Zones) (*schedule.Schedule, Verdict) {
	pattern := string(h.schedule)
	var zone *time.Location
	if h.zone != nil {
		// Whether it may have a zone at all does not depend on which.
		zone = time.UTC
	}
	s, err := schedule.Parse(pattern, zone)
	if err != nil {
		return nil, BadPattern
	}
	if h.zone == nil {
		return s, Scheduled
	}
	if len(h.zone) == 0 || zones == nil {
		return nil, BadZone
	}
	if zone, err = zones(string(h.zone)); err != nil {
		return nil, BadZone
	}
	if s, err = schedule.Parse(pattern, zone); err != nil {
		return nil, BadPattern
	}
	return s, Scheduled
}

// nextFiring returns when a schedule that was due, and fires now, does so again; 0 if it
// does not. What was missed in between is not made up for.
func nextFiring(h *headers, due, now int64, zones Zones) int64 {
	s, verdict := parseSchedule(h, zones)
	if verdict != Scheduled {
		return 0
	}
	next, ok := s.Next(time.Unix(0, due))
	if ok && next.UnixNano() <= now {
		next, ok = s.Next(time.Unix(0, now))
	}
	if !ok {
		return 0
	}
	return next.UnixNano()
}
