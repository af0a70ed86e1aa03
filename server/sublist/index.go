package sublist

// index is a map that gives memory back. Go's maps keep what they once needed,
// which is too much for a server that had a million clients this morning.
type index[V any] struct {
	// m may be read as it is.
	m map[string]V
	// peak is the largest size of m since it was made.
	peak int
}

func (x *index[V]) put(key string, v V) {
	if x.m == nil {
		x.m = make(map[string]V)
	}
	x.m[key] = v
	x.peak = max(x.peak, len(x.m))
}

// delete removes a key. Once three quarters of the map have gone it is made
// anew, so each removal pays for a third of a copied key at the most.
func (x *index[V]) delete(key string) {
	delete(x.m, key)
	if x.peak < 64 || len(x.m) > x.peak/4 {
		return
	}
	small := make(map[string]V, len(x.m))
	for k, v := range x.m {
		small[k] = v
	}
	x.m, x.peak = small, len(small)
}
