// Package schedule reads the patterns by which messages are scheduled, and tells when
// they are due. It is pure: now is an argument, and so are time zones, for to load one
// is to read files.
//
//	@at 2030-01-02T03:04:05Z    once, also if that is past already
//	@every 90s                  again and again, a second or more apart
//	@yearly @annually @monthly @weekly @daily @midnight @hourly
//	0 30 9 * * MON-FRI          cron, with six fields
//
// The fields of cron are second, minute, hour, day of the month, month, day of the
// week (0 is Sunday). Each is a list, with commas between, of
//
//	5  1-5  *  ?  */10  1-30/5  5/10
//
// where a step behind a single number means from there to the end. Months and days of
// the week also have names of three letters, in either case. If both the day of the
// month and the day of the week are restricted, one of them has to fit; otherwise
// both. A list may have empty items. A date that there never is, as February 30, is an
// error.
//
// Cron speaks of what a clock on the wall shows. In time zones that change their clocks
// a time that is skipped is not due, and one that comes twice is due twice.
//
// The package does not keep schedules or wait for them.
package schedule
