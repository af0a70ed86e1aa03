package main

import "slices"

// table is all mutants.
var table = slices.Concat(coreMutants, walMutants, hostMutants, sealMutants, streamMutants, consumerMutants, metaMutants, placementMutants, reconcileMutants, storeMutants, imageMutants, replicaMutants, clusterMutants)
