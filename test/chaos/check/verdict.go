package check

import (
	"fmt"
	"strings"
)

// Verdict is what came of a check.
type Verdict struct {
	// Name is that of what was checked.
	Name string
	// Checked counts what was looked at, Lost what was promised and is not there.
	Checked, Lost int
	// Complaints say what is wrong, one each, Wrong how many there are: only the first are kept.
	Complaints []string
	Wrong      int
	// Notes are what is worth telling and not wrong.
	Notes []string
}

const maxComplaints = 20 // the rest would be more of the same

func (v *Verdict) complain(format string, args ...any) {
	if v.Wrong++; v.Wrong <= maxComplaints {
		v.Complaints = append(v.Complaints, fmt.Sprintf(format, args...))
	}
}

// OK tells whether there is nothing to complain about.
func (v *Verdict) OK() bool { return v.Wrong == 0 }

// String is the verdict in lines.
func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d checked", v.Name, v.Checked)
	if v.OK() {
		b.WriteString(", as promised")
	} else {
		fmt.Fprintf(&b, ", %d LOST, %d WRONG", v.Lost, v.Wrong)
	}
	for _, note := range v.Notes {
		fmt.Fprintf(&b, "\n    %s", note)
	}
	for _, c := range v.Complaints {
		fmt.Fprintf(&b, "\n  ! %s", c)
	}
	if more := v.Wrong - len(v.Complaints); more > 0 {
		fmt.Fprintf(&b, "\n  ! and %d more", more)
	}
	return b.String()
}
