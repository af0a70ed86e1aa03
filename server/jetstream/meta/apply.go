package meta

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Result is what came of an op.
type Result struct {
	// Err says why nothing was changed.
	Err *api.Error
	// Stale says that the op was checked against what has been replaced since:
	// nothing was changed, and whoever proposed it should look again.
	Stale bool
	// Changed is whether anything was; an asset that was there as wanted is not.
	Changed bool
	// Stream is the stream concerned, as it is now or was before it was deleted;
	// Consumer likewise, of an op on one.
	Stream   *Stream
	Consumer *Consumer
}

// Apply carries out an op of an entry with a time, in nanoseconds since the epoch.
func (s *State) Apply(o *Op, now int64) Result {
	s.time = max(s.time, now)
	switch {
	case o.CreateStream != nil:
		return s.createStream(o.CreateStream)
	case o.UpdateStream != nil:
		return s.updateStream(o.UpdateStream)
	case o.DeleteStream != nil:
		return s.deleteStream(o.DeleteStream)
	case o.EndRestore != nil:
		return s.endRestore(o.EndRestore)
	case o.CreateConsumer != nil:
		return s.createConsumer(o.CreateConsumer)
	case o.UpdateConsumer != nil:
		return s.updateConsumer(o.UpdateConsumer)
	case o.DeleteConsumer != nil:
		return s.deleteConsumer(o.DeleteConsumer)
	case o.ChangePeers != nil:
		return s.changePeers(o.ChangePeers)
	case o.CancelChange != nil:
		return s.cancelChange(o.CancelChange)
	case o.EndChange != nil:
		return s.endChange(o.EndChange)
	case o.AddServer != nil:
		return s.addServer(o.AddServer)
	case o.RemoveServer != nil:
		return s.removeServer(o.RemoveServer)
	case o.EndRemoval != nil:
		return s.endRemoval(o.EndRemoval)
	case o.EvacuateServer != nil:
		return s.evacuateServer(o.EvacuateServer)
	case o.PlaceMissing != nil:
		return s.placeMissing(o.PlaceMissing)
	case o.PreferLeader != nil:
		return s.preferLeader(o.PreferLeader)
	}
	return Result{}
}

func (s *State) createStream(o *CreateStream) Result {
	name := o.Config.Name
	if st := s.Stream(o.Account, name); st != nil {
		if o.New || o.Restore != nil || !st.Config.Equal(o.Config) {
			return Result{Err: api.ErrStreamNameExist, Stream: st}
		}
		return Result{Stream: st}
	}
	if st := s.restore(o.Account, name); st != nil {
		return Result{Err: api.ErrStreamNameExist, Stream: st}
	}
	if s.Overlaps(o.Account, name, o.Config.Subjects) {
		return Result{Err: api.ErrStreamSubjectOverlap}
	}
	a := s.accounts[o.Account]
	if a == nil {
		a = &account{}
	}
	if o.Limits.Streams >= 0 && len(a.streams)+len(a.restores) >= o.Limits.Streams {
		return Result{Err: api.ErrMaximumStreamsLimit}
	}
	if err := s.room(a, nil, o.Config, &o.Limits); err != nil {
		return Result{Err: err}
	}
	if s.IsClustered() && !s.suits(o.Nodes, o.Config.Replicas) {
		return Result{Stale: true}
	}
	st := &Stream{
		Account: o.Account, Config: o.Config, Created: s.time, Revision: s.next(),
		Group: s.group(o.Nodes, o.Preferred, o.Config.Storage), consumers: newConsumers(), Restore: o.Restore,
	}
	s.put(st)
	return Result{Changed: true, Stream: st}
}

func (s *State) updateStream(o *UpdateStream) Result {
	st := s.Stream(o.Account, o.Config.Name)
	switch {
	case st == nil:
		return Result{Err: api.ErrStreamNotFound}
	case st.Revision != o.Revision:
		return Result{Stale: true, Stream: st}
	case st.Config.Equal(o.Config):
		return Result{Stream: st}
	case s.Overlaps(o.Account, st.Name(), o.Config.Subjects):
		return Result{Err: api.ErrStreamSubjectOverlap, Stream: st}
	}
	if err := s.room(s.accounts[o.Account], st.Config, o.Config, &o.Limits); err != nil {
		return Result{Err: err, Stream: st}
	}
	moves, refused := s.mayMove(st, o)
	if refused != nil {
		return *refused
	}
	next := *st
	next.Config, next.Revision = o.Config, s.next()
	if moves {
		next.Group = st.Group.toward(o.Nodes, next.Revision, s.time)
		next.Group.Change.Origin = &Origin{Replicas: st.Config.Replicas, Placement: st.Config.Placement}
		if slices.Contains(o.Nodes, o.Preferred) {
			next.Group.Preferred = o.Preferred
		}
	}
	s.put(&next)
	if s.IsClustered() && (moves || o.Config.Retention != st.Config.Retention) {
		s.followAll(&next)
	}
	return Result{Changed: true, Stream: &next}
}

func (s *State) deleteStream(o *DeleteStream) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil || o.Group != 0 && o.Group != st.Group.ID {
		return Result{Err: api.ErrStreamNotFound}
	}
	s.remove(st)
	return Result{Changed: true, Stream: st}
}

func (s *State) endRestore(o *EndRestore) Result {
	st := s.restore(o.Account, o.Stream)
	if st == nil || st.Restore.ID != o.ID {
		return Result{Err: api.ErrStreamNotFound}
	}
	if !o.Complete {
		s.remove(st)
		return Result{Changed: true, Stream: st}
	}
	next := *st
	next.Restore = nil
	delete(s.accounts[o.Account].restores, o.Stream)
	s.accounts[o.Account].streams[o.Stream] = &next
	return Result{Changed: true, Stream: &next}
}

func (s *State) createConsumer(o *CreateConsumer) Result {
	st := s.Stream(o.Account, o.Stream)
	if being := s.restore(o.Account, o.Stream); being != nil && being.Group.ID == o.Group {
		st = being
	}
	switch {
	case st == nil:
		return Result{Err: api.ErrStreamNotFound}
	case o.Group != st.Group.ID:
		return Result{Stale: true, Stream: st}
	}
	if c := st.Consumer(o.Config.Name); c != nil {
		if !c.Config.Equal(o.Config) {
			return Result{Err: api.ErrConsumerAlreadyExists, Stream: st, Consumer: c}
		}
		return Result{Stream: st, Consumer: c}
	}
	if !o.Config.Direct && o.Max >= 0 && st.NumConsumers() >= o.Max {
		return Result{Err: api.ErrMaximumConsumersLimit, Stream: st}
	}
	if err := st.unique(o.Config); err != nil {
		return Result{Err: err, Stream: st}
	}
	// It begins where the stream is, and not where that is to be.
	nodes := st.Group.holders()
	if s.IsClustered() {
		if nodes = s.known(nodes); len(nodes) == 0 {
			return Result{Err: api.ErrClusterNotAvail, Stream: st}
		}
	}
	nodes = s.among(nodes, o.Config.ReplicasOn(st.Config), nil, o.Avoid, s.nextGroup())
	c := &Consumer{
		Config: o.Config, Created: s.time, Revision: s.next(),
		Group: s.group(nodes, st.Group.Preferred, o.Config.StorageOn(st.Config)),
	}
	c = s.follow(st, c)
	s.setConsumer(st, c.Name(), c)
	return Result{Changed: true, Stream: st, Consumer: c}
}

func (s *State) updateConsumer(o *UpdateConsumer) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	c := st.Consumer(o.Config.Name)
	switch {
	case c == nil:
		return Result{Err: api.ErrConsumerNotFound, Stream: st}
	case c.Revision != o.Revision:
		return Result{Stale: true, Stream: st, Consumer: c}
	case c.Config.Equal(o.Config):
		return Result{Stream: st, Consumer: c}
	}
	if err := st.unique(o.Config); err != nil {
		return Result{Err: err, Stream: st, Consumer: c}
	}
	updated := *c
	updated.Config, updated.Revision = o.Config, s.next()
	next := s.follow(st, &updated)
	s.setConsumer(st, next.Name(), next)
	return Result{Changed: true, Stream: st, Consumer: next}
}

func (s *State) deleteConsumer(o *DeleteConsumer) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	c := st.Consumer(o.Consumer)
	if c == nil || o.Group != 0 && o.Group != c.Group.ID {
		return Result{Err: api.ErrConsumerNotFound, Stream: st}
	}
	s.setConsumer(st, o.Consumer, nil)
	return Result{Changed: true, Stream: st, Consumer: c}
}

// next returns the revision of what an asset is made or changed to.
func (s *State) next() uint64 {
	s.revision++
	return s.revision
}

// put puts a stream in the place of the one of its name, if there is one.
func (s *State) put(st *Stream) {
	a := s.accounts[st.Account]
	if a == nil {
		if s.accounts == nil {
			s.accounts = make(map[string]*account)
		}
		a = &account{streams: make(map[string]*Stream), restores: make(map[string]*Stream), tokens: make(firstTokens)}
		s.accounts[st.Account] = a
	}
	of := a.streams
	if st.Restore != nil {
		of = a.restores
	}
	if old := of[st.Name()]; old != nil {
		a.reserve(old.Config, -1)
		a.tokens.remove(old.Config)
		s.count(&old.Group, old.Config, -1)
	}
	s.count(&st.Group, st.Config, 1)
	a.reserve(st.Config, 1)
	a.tokens.add(st.Config)
	of[st.Name()] = st
}

// remove removes a stream with its consumers.
func (s *State) remove(st *Stream) {
	a := s.accounts[st.Account]
	a.reserve(st.Config, -1)
	a.tokens.remove(st.Config)
	s.count(&st.Group, st.Config, -1)
	for _, c := range st.consumers.byName { // the order makes no difference
		s.count(&c.Group, nil, -1)
	}
	a.consumers -= st.NumConsumers()
	if st.Restore != nil {
		delete(a.restores, st.Name())
	} else {
		delete(a.streams, st.Name())
	}
	if len(a.streams)+len(a.restores) == 0 {
		delete(s.accounts, st.Account)
	}
}

// setConsumer puts a consumer in the place of the one of its name, if there is one;
// nil removes that.
func (s *State) setConsumer(st *Stream, name string, c *Consumer) {
	st.consumers.change(s.images)
	count := 0
	if old := st.consumers.byName[name]; old != nil {
		s.count(&old.Group, nil, -1)
		if !old.Config.Direct {
			count--
		}
	}
	if c == nil {
		delete(st.consumers.byName, name)
	} else {
		s.count(&c.Group, nil, 1)
		if st.consumers.byName[name] = c; !c.Config.Direct {
			count++
		}
	}
	st.consumers.counted += count
	s.accounts[st.Account].consumers += count
}

// room says why a stream of an account can not have what it wants to reserve, instead
// of what it had before.
func (s *State) room(a *account, old, c *api.StreamConfig, l *Limits) *api.Error {
	with := *a
	if old != nil {
		with.reserve(old, -1)
	}
	with.reserve(c, 1)
	kind := c.Storage
	own, all, each, err := l.File, l.AllFile, l.StreamFile, api.ErrStorageResourcesExceeded
	if kind == api.MemoryStorage {
		own, all, each, err = l.Memory, l.AllMemory, l.StreamMemory, api.ErrMemoryResourcesExceeded
	}
	more := with.reserved[kind] - a.reserved[kind]
	switch {
	case more > 0 && own >= 0 && with.reserved[kind] > own:
		return err
	case more > 0 && all >= 0 && s.reserved(kind)+more > all:
		return err
	case l.BytesRequired && c.MaxBytes <= 0:
		return api.ErrStreamMaxBytesRequired
	case each > 0 && c.MaxBytes > each:
		return api.ErrStreamMaxStreamBytesExceeded
	}
	return nil
}

// reserved sums up what all accounts have reserved.
func (s *State) reserved(kind api.Storage) (sum int64) {
	for _, a := range s.accounts {
		sum += a.reserved[kind]
	}
	return sum
}

// unique checks that no other consumer of a work queue gets what this one gets.
func (s *Stream) unique(c *api.ConsumerConfig) *api.Error {
	if s.Config.Retention != api.RetainWorkQueue {
		return nil
	}
	for o := range s.Consumers() {
		if o.Name() == c.Name {
			continue
		}
		if err := api.CheckWorkQueue(c.Filters(), o.Config.Filters()); err != nil {
			return err
		}
	}
	return nil
}
