package main

const (
	serverNeighbours = "server/jetstream_cluster.go"
	clusterRaft      = "server/cluster/raft.go"
	clusterEvents    = "server/cluster/events.go"
	meshRules        = "server/cluster/mesh/mesh.go"
)

// clusterMutants are faults by which servers of a cluster do not find each other, or take each
// other for somebody else.
var clusterMutants = []Mutant{
	{
		"who is there without JetStream is not waited for", serverNeighbours, "(!without || n.s.clock.Now().Sub(n.begun) >= settling)", "(!without || n.s.clock.Now().Sub(n.begun) >= 0)",
		"a cluster that is founded as often as it has servers",
	},
	{
		"copy of a server is taken for it", serverNeighbours, "		if other, taken := seen[node]; taken {\n", "		if other, taken := seen[node]; taken && other.Name == p.Name {\n",
		"two servers that vote as one",
	},
	{
		"server that was renamed is not found any more", serverNeighbours, "return now.Name != at.Name\n", "return now.Name == \"\"\n",
		"a server that nobody speaks with, as it is called something else",
	},
	{
		"node of another server is not told", "server/routes.go", "	out.RaftNode = s.raftNode()\n", "",
		"servers that see each other, and found nothing",
	},
	{
		"last words are not waited for", "server/raft/transport/flush.go", "	for _, p := range *t.peers.Load() {\n", "	for _, p := range map[int]*peer{} {\n",
		"an election after each restart, a second late",
	},
	{
		"password of the cluster is not asked for", clusterRaft, "	return (&Handshake{Username: s.Username, Password: s.Password}).knows(user, password)\n", "	return (&Handshake{Username: s.Username}).knows(user, password)\n",
		"votes of whoever reaches the port",
	},
	{
		"password for an address is not found where the server says it is", clusterRaft, "	if r := c.configuredAs(s, name); r != nil {\n		addr = r.Addr\n	}\n", "",
		"routes that work and replicas that do not",
	},
	{
		"routes to a dead server are kept", clusterRaft, "p.Node == node {", "p.Node == node+1 {",
		"every second request to a leader lost for a minute after a power failure",
	},
	{
		"news are not told to who is on the way", clusterEvents, "	if stale && m.Slot == ", "	if stale && m.Slot != ",
		"a server that is taken for one without JetStream until something else changes",
	},
	{
		"one address that nobody answers at is enough", meshRules, "		if t.configured && !t.self && !m.isTogether(t.server) {\n			return false\n", "		if t.configured && m.isTogether(t.server) {\n			return true\n",
		"two halves that both found the cluster",
	},
}
