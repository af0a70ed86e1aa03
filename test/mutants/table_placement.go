package main

const (
	placementChoose = "server/jetstream/placement/placement.go"
	placementSpread = "server/jetstream/placement/spread.go"
)

// placementMutants are faults of the choice of servers.
var placementMutants = []Mutant{
	{
		"two replicas are on servers with one unique tag", placementChoose, "			used[tag] = true\n		}\n		choice.Nodes", "		}\n		choice.Nodes",
		"a rack that fails takes a majority along",
	},
	{
		"who keeps a replica does not count for the unique tag", placementChoose, "			if tag := w.uniqueTag(sv); tag != \"\" {\n				used[tag] = true\n			}\n", "",
		"the replacement of a replica is beside another",
	},
	{
		"most of the chosen are offline", placementChoose, "len(choice.Nodes) > len(kept) && online <= w.Replicas/2 {", "len(choice.Nodes) > len(kept) && online < w.Replicas/2 {",
		"a group that cannot elect a leader",
	},
	{
		"server that went away long ago gets assets", placementChoose, "	case !sv.Online && sv.OfflineSince < w.NotSince:\n		no.Offline++\n		return false\n", "",
		"replicas on servers that never come back",
	},
	{
		"offline server is as good as another", placementChoose, "cmp.Or(-preferLast(a.Online, b.Online), load,", "cmp.Or(load,",
		"a server that has just died has the fewest assets, and gets all new ones",
	},
	{
		"reservations are not looked at", placementChoose, "	case w.Bytes > 0 && w.Bytes > w.free(sv):\n		no.NoStorage++\n		return false\n", "",
		"more is promised than there is",
	},
	{
		"assets that are equal go to the same server", placementChoose, "cmp.Compare(Mix(w.Seed, a.Node), Mix(w.Seed, b.Node)), ", "",
		"the first server of the list leads all",
	},
	{
		"avoided server gets a replica", placementChoose, "!w.inCluster(sv) || slices.Contains(w.Avoid, sv.Node):", "!w.inCluster(sv):",
		"a server that is evacuated gets what has just left it",
	},
	{
		"leader is dropped where replicas are taken away", placementChoose, "		if c := preferLast(a == w.Preferred, b == w.Preferred); c != 0 {\n			return c\n		}\n", "",
		"of one replica that is left it is one that may lack the newest",
	},
	{
		"the first of those chosen leads all", placementChoose, "case best == nil || len(w.Keep) == 0 && sv.Leads < best.Leads:", "case best == nil:",
		"one server answers for all streams",
	},
	{
		"leaders change places for ever", placementSpread, "b.leads[node] < b.leads[best]-1 ||", "b.leads[node] < b.leads[best] ||",
		"a balancer that never comes to rest",
	},
	{
		"as many leaders move as there are", placementSpread, "range path[max(len(path)-(limit-len(moves)), 0):] {", "range path {",
		"publishers of all streams wait at the same time",
	},
}
