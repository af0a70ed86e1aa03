package monitor

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// SortKey names the order of connections in connz.
type SortKey string

// The orders. Those by id, start, uptime and reason begin with the smallest, the
// others with the largest. Connections that are equal are ordered by id.
const (
	SortByCID      SortKey = "cid"
	SortByStart    SortKey = "start"
	SortBySubs     SortKey = "subs"
	SortByPending  SortKey = "pending"
	SortByOutMsgs  SortKey = "msgs_to"
	SortByInMsgs   SortKey = "msgs_from"
	SortByOutBytes SortKey = "bytes_to"
	SortByInBytes  SortKey = "bytes_from"
	SortByLast     SortKey = "last"
	SortByIdle     SortKey = "idle"
	SortByUptime   SortKey = "uptime"
	SortByStop     SortKey = "stop"
	SortByReason   SortKey = "reason"
	SortByRTT      SortKey = "rtt"
)

// order returns the comparison that key asks for at now.
func (key SortKey) order(state ConnState, now time.Time) (func(a, b *Conn) int, error) {
	if (key == SortByStop || key == SortByReason) && state != ConnClosed {
		return nil, fmt.Errorf("sort by %s only valid on closed connections", key)
	}
	switch key {
	case SortByCID, "":
		return byCID, nil
	case SortByStart:
		return ascending(func(a, b *Conn) int { return a.Start.Compare(b.Start) }), nil
	case SortByUptime:
		return ascending(func(a, b *Conn) int { return cmp.Compare(a.uptime(now), b.uptime(now)) }), nil
	case SortByReason:
		return ascending(func(a, b *Conn) int { return strings.Compare(a.Reason, b.Reason) }), nil
	case SortBySubs:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.NumSubs, b.NumSubs) }), nil
	case SortByPending:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.PendingBytes, b.PendingBytes) }), nil
	case SortByOutMsgs:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.OutMsgs, b.OutMsgs) }), nil
	case SortByInMsgs:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.InMsgs, b.InMsgs) }), nil
	case SortByOutBytes:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.OutBytes, b.OutBytes) }), nil
	case SortByInBytes:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.InBytes, b.InBytes) }), nil
	case SortByLast:
		return descending(func(a, b *Conn) int { return a.LastActivity.Compare(b.LastActivity) }), nil
	case SortByIdle:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.idle(now), b.idle(now)) }), nil
	case SortByStop:
		return descending(func(a, b *Conn) int { return a.Stop.Compare(b.Stop) }), nil
	case SortByRTT:
		return descending(func(a, b *Conn) int { return cmp.Compare(a.RTT, b.RTT) }), nil
	}
	return nil, fmt.Errorf("invalid sorting option: %s", string(key))
}

func byCID(a, b *Conn) int { return cmp.Compare(a.CID, b.CID) }

func ascending(compare func(a, b *Conn) int) func(a, b *Conn) int {
	return func(a, b *Conn) int { return cmp.Or(compare(a, b), byCID(a, b)) }
}

func descending(compare func(a, b *Conn) int) func(a, b *Conn) int {
	return func(a, b *Conn) int { return cmp.Or(compare(b, a), byCID(a, b)) }
}
