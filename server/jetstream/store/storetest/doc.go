// Package storetest holds the tests that every engine of package store has to
// pass, so that streams need not know which one they have.
//
// [Run] is for all engines. It has tables of what each method does to a small
// store, runs of random operations in which every query is compared with a plain
// model after every step, and readers beside a writer.
//
// [RunDurable] is for engines that survive. It crashes them in the middle of
// random operations, and compares what is opened with the model as of the
// checkpoint that was committed last.
//
// The model is a slice of messages. It is slow and has no idea of blocks,
// indexes or caches, which is all that can go wrong in an engine. The size of an
// engine's blocks is for its own tests to vary: they call Run with small ones.
//
// What only one engine promises (its format, damage, memory) is not here.
package storetest
