//go:build windows || plan9

package logging

import (
	"errors"
	"fmt"
)

func openSyslog(string) (destination, error) {
	return nil, fmt.Errorf("error connecting to syslog: %w", errors.ErrUnsupported)
}

func openRemoteSyslog(rawURL, _ string) (destination, error) {
	if _, _, err := parseSyslogURL(rawURL); err != nil {
		return nil, err
	}
	return openSyslog("")
}
