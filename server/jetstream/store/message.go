package store

// Message is one message of a stream. What Load and its kin fill in is valid
// until the same Message is filled again: it is a view of the Message's own
// buffer. The zero Message is ready to be filled.
type Message struct {
	Seq Seq
	// Time is when the stream took it, in nanoseconds since the Unix epoch.
	Time    int64
	Subject []byte
	// Header is a NATS header block with its first line, or empty.
	Header []byte
	Data   []byte

	// buf is where the slices of a filled message point to.
	buf []byte
}

// Fill makes m a copy of what it is given. It is for engines that have a message
// in memory. The slices must not be views of m.
func (m *Message) Fill(seq Seq, time int64, subject, header, data []byte) {
	buf := m.Buffer(len(subject) + len(header) + len(data))
	s := copy(buf, subject)
	h := s + copy(buf[s:], header)
	copy(buf[h:], data)
	m.Seq, m.Time = seq, time
	m.Subject, m.Header, m.Data = buf[:s:s], buf[s:h:h], buf[h:]
}

// Buffer returns n bytes of m's own, with any content. It is for engines that
// read a message from elsewhere, and then set the fields to parts of it. What m
// was filled with before is lost.
func (m *Message) Buffer(n int) []byte {
	if cap(m.buf) < n {
		m.buf = make([]byte, n)
	}
	return m.buf[:n:n]
}

// FileSize is the size of a message in a stream of storage "file", given the
// lengths of its parts in bytes.
func FileSize(subject, header, data int) uint64 {
	if header == 0 {
		return uint64(30 + subject + data)
	}
	return uint64(34 + subject + header + data)
}

// MemorySize is the size of a message in a stream of storage "memory", given the
// lengths of its parts in bytes.
func MemorySize(subject, header, data int) uint64 {
	return uint64(16 + subject + header + data)
}
