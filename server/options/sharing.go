package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Export offers what is published below a subject to other accounts, or what answers
// requests there.
type Export struct {
	Subject string
	// Service says that it is about requests.
	Service bool
	// Accounts are the names of those who may import it, empty for all.
	Accounts []string
	// AccountTokenPosition is the place of a token, counted from 1, that has to be the
	// name of the importing account; 0 for none. It counts instead of Accounts.
	AccountTokenPosition int

	// The rest is for services. Response is how many responses there are, Threshold
	// how long one may take; 0 is the default of 2 minutes.
	Response  ResponseType
	Threshold time.Duration
	// Latency is nil if requests are not measured.
	Latency    *Latency
	AllowTrace bool
}

// ResponseType says how many responses a request gets.
type ResponseType uint8

// The types.
const (
	ResponseSingleton ResponseType = iota
	ResponseStream
	ResponseChunked
)

// Latency says where the time that requests take is published.
type Latency struct {
	Subject string
	// Sampling is in percent, 1 to 100; 0 measures what has headers of tracing.
	Sampling int
}

// DefaultLatencySampling is in percent.
const DefaultLatencySampling = 100

// Import takes over what another account exports.
type Import struct {
	Account, Subject string
	Service          bool
	// To is what it is called here, "" for the same; Prefix, of streams only, is put
	// in front of it.
	To, Prefix string
	// Share tells a service all about who asks.
	Share bool
	// AllowTrace, of streams only, has traces follow messages.
	AllowTrace bool
}

// Local is what the import is called in its account.
func (im *Import) Local() string {
	switch {
	case im.To != "":
		return im.To
	case im.Prefix != "":
		return strings.TrimSuffix(im.Prefix, ".") + "." + im.Subject
	}
	return im.Subject
}

func (im *Import) kind() string { return kindName(im.Service) }

func kindName(service bool) string {
	if service {
		return "service"
	}
	return "stream"
}

// ExportFor returns the export that an import of the account takes over, nil if it may
// not: one of exactly that subject decides alone; else the first that covers it and
// that the account may import.
func (o *Options) ExportFor(importer string, im *Import) *Export {
	i := accountIndex(o.Accounts, im.Account)
	if i < 0 {
		return nil
	}
	var found *Export
	for _, x := range o.Accounts[i].Exports {
		if x.Service != im.Service {
			continue
		}
		allowed := x.allows(importer, im.Subject)
		if x.Subject == im.Subject {
			if !allowed {
				return nil
			}
			return x
		}
		if found == nil && allowed && subject.Covers(x.Subject, im.Subject) {
			found = x
		}
	}
	return found
}

// allows tells whether an account may import a subject of the export.
func (x *Export) allows(importer, subj string) bool {
	if n := x.AccountTokenPosition; n > 0 {
		tokens := slices.Collect(subject.Tokens(subj))
		return n <= len(tokens) && tokens[n-1] == importer
	}
	return len(x.Accounts) == 0 || slices.Contains(x.Accounts, importer)
}

func checkSharing(o *Options) error { return errors.Join(sharingErrors(o)...) }

// sharingErrors finds what is wrong with the exports and imports of all accounts.
func sharingErrors(o *Options) (errs []error) {
	for _, a := range o.Accounts {
		for _, x := range a.Exports {
			if err := o.checkExport(x); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if len(errs) > 0 {
		return errs // more would follow from these
	}
	for _, service := range []bool{false, true} {
		var graph []*importNode
		for _, a := range o.Accounts {
			var before []*Import
			for _, im := range a.Imports {
				if im.Service != service {
					continue
				}
				node := &importNode{importer: a.Name, im: im}
				err := o.checkImport(node, before)
				if err == nil {
					if graph = append(graph, node); node.closesCycle(graph) {
						err = errImportCycle
					}
				}
				switch {
				case errors.Is(err, errNoAccount):
					errs = append(errs, fmt.Errorf("%q account not defined for %s import", im.Account, im.kind()))
				case err != nil:
					errs = append(errs, fmt.Errorf("Error adding %s import %q: %w", im.kind(), im.Subject, err))
				}
				before = append(before, im)
			}
		}
	}
	return errs
}

var (
	errImportCycle = errors.New("import forms a cycle")
	errNoAccount   = errors.New("account not defined")
)

func (o *Options) checkExport(x *Export) error {
	kind := kindName(x.Service)
	for _, name := range x.Accounts {
		if accountIndex(o.Accounts, name) < 0 {
			return fmt.Errorf("%q account not defined for %s export", name, kind)
		}
	}
	bad := !subject.IsValid(x.Subject)
	if n := x.AccountTokenPosition; n != 0 {
		tokens := slices.Collect(subject.Tokens(x.Subject))
		bad = bad || n < 0 || n > len(tokens) || tokens[n-1] != "*"
	}
	if bad {
		return fmt.Errorf("Error adding %s export %q: %w", kind, x.Subject, subject.ErrInvalidSubject)
	}
	if l := x.Latency; l != nil {
		var err error
		switch {
		case x.Response != ResponseSingleton:
			err = errors.New("bad service response type")
		case !subject.IsLiteral(l.Subject):
			err = errors.New("invalid publish subject")
		case l.Sampling < 0 || l.Sampling > 100:
			err = errors.New("bad sampling percentage, should be 1-100")
		}
		if err != nil {
			return fmt.Errorf("Error adding service latency sampling for %q on subject %q: %w", x.Subject, l.Subject, err)
		}
	}
	return nil
}

// importNode is an import as what it is to the others: what comes in by local goes on
// in another account.
type importNode struct {
	importer string
	im       *Import
	local    string // with wildcards
}

// checkImport checks one import beside those of its account before it.
func (o *Options) checkImport(n *importNode, before []*Import) error {
	im := n.im
	if accountIndex(o.Accounts, im.Account) < 0 {
		return errNoAccount
	}
	if o.ExportFor(n.importer, im) == nil {
		return fmt.Errorf("%s import not authorized", im.kind())
	}
	if im.Service {
		there, err := subject.NewRequestTransform(im.Local(), im.Subject)
		if err != nil {
			return fmt.Errorf("failed to create mapping transform for service import subject from %q to %q: %w", im.Local(), im.Subject, err)
		}
		n.local = there.Source()
		return duplicateService(before, im)
	}
	if subject.HasWildcard(im.Prefix) {
		return errors.New("stream import prefix can not contain wildcard tokens")
	}
	there, err := subject.NewImportTransform(im.Subject, im.Local())
	if err == nil {
		// It exists for all that NewImportTransform makes.
		var here *subject.Transform
		if here, err = there.Reverse(); err == nil {
			n.local = here.Source()
		}
	}
	if err != nil {
		return fmt.Errorf("failed to create mapping transform for stream import subject from %q to %q: %w", im.Subject, im.Local(), err)
	}
	if slices.ContainsFunc(before, func(b *Import) bool { return b.Account == im.Account && b.Subject == im.Subject }) {
		return errors.New("stream import already exists")
	}
	return nil
}

// duplicateService says why an import of a service can not stand beside others of its
// account: requests would come there twice.
func duplicateService(others []*Import, im *Import) error {
	for _, b := range others {
		if b.Service && b.Account == im.Account && b.Local() == im.Local() {
			return fmt.Errorf("Duplicate service import subject %q, previously used in import for account %q, subject %q",
				im.Local(), b.Account, b.Subject)
		}
	}
	return nil
}

// closesCycle tells whether what comes in by an import can come there again, by others
// in the graph.
func (n *importNode) closesCycle(graph []*importNode) bool {
	seen := make(map[*importNode]bool)
	var reaches func(from *importNode) bool
	reaches = func(from *importNode) bool {
		for _, next := range graph {
			if next.importer != from.im.Account || !subject.Overlaps(next.local, from.im.Subject) {
				continue
			}
			if next == n {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if reaches(next) {
					return true
				}
			}
		}
		return false
	}
	return reaches(n)
}
