package api

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/subject"
)

// originErrors are the errors that mirrors and sources have for the same mistakes.
type originErrors struct {
	// filter is a text with room for the filter and what is wrong with it.
	filter                     string
	name, consumer             *Error
	filters, overlap           *Error
	transformSource, transform *Error
}

var (
	mirrorErrors = originErrors{
		filter: "subject filter '%s' for the mirror %v",
		name:   ErrMirrorInvalidStreamName, consumer: ErrMirrorDurableConsumerCfgInvalid,
		filters: ErrMirrorMultipleFiltersNotAllowed, overlap: ErrMirrorOverlappingSubjectFilters,
		transformSource: ErrMirrorInvalidSubjectFilter, transform: ErrMirrorInvalidTransformDestination,
	}
	sourceErrors = originErrors{
		filter: "subject filter '%s' for the source: %v",
		name:   ErrSourceInvalidStreamName, consumer: ErrSourceDurableConsumerCfgInvalid,
		filters: ErrSourceMultipleFiltersNotAllowed, overlap: ErrSourceOverlappingSubjectFilters,
		transformSource: ErrSourceInvalidSubjectFilter, transform: ErrSourceInvalidTransformDestination,
	}
)

func (c streamCheck) mirrors() *Error {
	if c.Mirror == nil {
		return nil
	}
	switch {
	case c.FirstSeq > 0:
		return ErrMirrorWithFirstSeq
	case len(c.Subjects) > 0:
		return ErrMirrorWithSubjects
	case len(c.Sources) > 0:
		return ErrMirrorWithSources
	case c.AllowMsgCounter:
		return ErrMirrorWithCounters
	case c.AllowAtomic:
		return ErrMirrorWithAtomicPublish
	case c.AllowBatched:
		return ErrMirrorWithBatchPublish
	}
	if err := c.Mirror.check(&mirrorErrors); err != nil {
		return err
	}
	if c.Mirror.External == nil && c.Mirror.Name == c.Name {
		return invalidStream("detected cycle")
	}
	return nil
}

func (c streamCheck) sources() *Error {
	type durable struct{ stream, api, consumer string }
	seen := make(map[string]bool)
	durables := make(map[durable]bool)
	for _, s := range c.Sources {
		if s == nil {
			return ErrSourceInvalidStreamName
		}
		if err := s.check(&sourceErrors); err != nil {
			return err
		}
		if seen[s.Key()] {
			return ErrSourceDuplicateDetected
		}
		seen[s.Key()] = true
		if s.Consumer != nil {
			d := durable{s.Name, s.apiPrefix(), s.Consumer.Name}
			if durables[d] {
				return ErrSourceDurableConsumerDuplicateDetected
			}
			durables[d] = true
		}
		if s.External == nil && s.Name == c.Name && c.feedsOn(s) {
			return invalidStream("detected cycle")
		}
	}
	return nil
}

// feedsOn reports whether a source that is the stream itself would get what it
// puts there. Without a filter that can be seen, it is taken to.
func (c streamCheck) feedsOn(s *StreamSource) bool {
	return s.FilterSubject == "" || len(c.Subjects) == 0 || OverlapAny(c.Subjects, []string{s.FilterSubject})
}

// Key tells sources of one stream apart: by what of which stream they copy, to
// which subjects.
func (s *StreamSource) Key() string {
	filter := s.FilterSubject
	if filter == "" && len(s.SubjectTransforms) == 0 {
		filter = ">"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", s.Name, s.apiPrefix(), filter)
	for _, t := range s.SubjectTransforms {
		fmt.Fprintf(&b, " %q>%q", t.Source, t.Destination)
	}
	if s.Consumer != nil {
		fmt.Fprintf(&b, " %s", s.Consumer.Name)
	}
	return b.String()
}

func (s *StreamSource) apiPrefix() string {
	if s.External == nil {
		return ""
	}
	return s.External.APIPrefix
}

// check applies the rules that mirrors and sources share, and makes times UTC.
func (s *StreamSource) check(errs *originErrors) *Error {
	if s.OptStartTime != nil {
		*s.OptStartTime = s.OptStartTime.UTC()
	}
	switch {
	case !IsName(s.Name):
		return errs.name
	case s.FilterSubject != "" && len(s.SubjectTransforms) > 0:
		return errs.filters
	case s.FilterSubject != "" && !subject.IsValid(s.FilterSubject):
		return ErrStreamCreate.With("err", fmt.Sprintf(errs.filter, s.FilterSubject, subject.ErrInvalidSubject))
	case s.Consumer != nil && !s.isPlain():
		return errs.consumer
	}
	var sources []string
	for _, t := range s.SubjectTransforms {
		if err := t.check(errs.transformSource, errs.transform); err != nil {
			return err
		}
		sources = append(sources, t.source())
	}
	if _, _, ok := firstClash(sources, subject.Overlaps[string, string]); ok {
		return errs.overlap
	}
	return s.External.check()
}

// isPlain reports whether all that s says beside its consumer leaves the consumer to
// decide what is copied, and whether that can be asked for.
func (s *StreamSource) isPlain() bool {
	return IsName(s.Consumer.Name) && subject.IsLiteral(s.Consumer.DeliverSubject) &&
		s.OptStartSeq == 0 && s.OptStartTime == nil && s.FilterSubject == ""
}

func (e *ExternalStream) check() *Error {
	if e == nil {
		return nil
	}
	switch {
	case e.APIPrefix != "" && !subject.IsLiteral(e.APIPrefix):
		return invalidStream(fmt.Sprintf("stream external api prefix %q must be a valid subject without wildcards", e.APIPrefix))
	case e.APIPrefix == Prefix:
		return ErrStreamExternalApiOverlap.With("prefix", e.APIPrefix, "subject", Prefix)
	case e.DeliverPrefix != "" && !subject.IsLiteral(e.DeliverPrefix):
		return ErrStreamInvalidExternalDeliverySubj.With("prefix", e.DeliverPrefix)
	}
	return nil
}

// source is the pattern that t applies to.
func (t SubjectTransform) source() string {
	if t.Source == "" {
		return ">"
	}
	return t.Source
}

// check returns one of the two errors if the source or the destination is wrong.
func (t SubjectTransform) check(source, dest *Error) *Error {
	if !subject.IsValid(t.source()) {
		return source.With("err", fmt.Sprintf("%v %s", subject.ErrInvalidSubject, t.Source))
	}
	if _, err := t.Compile(); err != nil {
		return dest.With("err", err)
	}
	return nil
}

// Compile makes the transform that t asks for, nil if it asks for none.
func (t SubjectTransform) Compile() (*subject.Transform, error) {
	if t.Destination == "" {
		return nil, nil
	}
	return subject.NewTransform(t.Source, t.Destination)
}
