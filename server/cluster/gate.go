package cluster

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Gate is which subjects pass between servers in one direction. nil lets everything pass.
// Answers to services of other accounts always pass, since nobody chooses their subjects.
type Gate struct {
	says  auth.SubjectPermission
	rules *auth.Compiled
}

// answers begins the subjects of answers to services of other accounts.
const answers = "_R_."

// NewGate returns the gate that lets pass what is permitted; nil is everything.
func NewGate(p *auth.SubjectPermission) (*Gate, error) {
	if p == nil {
		return nil, nil
	}
	rules, err := auth.Compile(&auth.Permissions{Subscribe: p})
	if err != nil {
		return nil, fmt.Errorf("permissions of routes: %w", err)
	}
	return &Gate{*p, rules}, nil
}

// interest tells whether one may ask for a subject.
func (g *Gate) interest(subject string) bool {
	return g == nil || strings.HasPrefix(subject, answers) || g.rules.CanSubscribe(subject, "")
}

// inPart tells whether not all that matches a subject that one may ask for passes.
func (g *Gate) inPart(subject string) bool {
	return g != nil && g.rules.NeedsDeliveryFilter(subject, "")
}

// CanDeliver tells whether a message passes that somebody may have asked for.
func (g *Gate) CanDeliver(subject []byte, _ string) bool {
	return g == nil || g.rules.CanDeliver(subject, "") || bytes.HasPrefix(subject, []byte(answers))
}

// permission is the gate as INFO has it.
func (g *Gate) permission() *proto.SubjectPermission {
	if g == nil {
		return nil
	}
	return &proto.SubjectPermission{Allow: g.says.Allow, Deny: g.says.Deny}
}
