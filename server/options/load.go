package options

import (
	"fmt"
	"os"

	"github.com/nats-lite/nats-lite/conf"
)

// FromFile reads a configuration file. The overrides are applied to what it
// says, here and on each reload. Warnings do not keep a server from starting.
// The error is of package conf if the text makes no sense, a *ConfigError if
// what it says does not, and that of the operating system if the file cannot be
// read. What shows only across options is left to Validate.
func FromFile(path string, overrides ...func(*Options)) (*Options, Problems, error) {
	c, err := conf.ParseFile(path)
	if err != nil {
		return nil, nil, placed(err)
	}
	return fromConfig(c, os.ReadFile, overrides)
}

// FromBytes is FromFile for a text that is at hand already; name stands for it
// in errors. The result has no ConfigFile and cannot be read again.
func FromBytes(text []byte, name string, overrides ...func(*Options)) (*Options, Problems, error) {
	c, err := conf.Parse(text, name)
	if err != nil {
		return nil, nil, placed(err)
	}
	o, warnings, err := fromConfig(c, os.ReadFile, overrides)
	if err != nil {
		return nil, nil, err
	}
	o.ConfigFile = ""
	return o, warnings, nil
}

func fromConfig(c *conf.Config, read func(string) ([]byte, error), overrides []func(*Options)) (*Options, Problems, error) {
	if len(c.Root.Entries()) == 0 {
		return nil, nil, fmt.Errorf("%s: config has no values or is empty", c.File)
	}
	o := New()
	d := &decoder{read: read, users: make(map[string]struct{})}
	topLevel.decode(d, c.Root, o)
	d.checkAuthorization(c.Root, o)
	if len(d.problems.Errors) > 0 {
		return nil, nil, &d.problems
	}
	o.ConfigFile, o.ConfigDigest = c.File, c.Digest()
	o.override(overrides)
	return o, d.problems.Warnings, nil
}

// override applies what wins over the file, and then the defaults.
func (o *Options) override(overrides []func(*Options)) {
	for _, apply := range overrides {
		apply(o)
	}
	o.overrides = overrides
	o.finish()
}

// Reparse reads the configuration file again and applies what won over it the
// first time. It gives new, valid options and leaves o as it is; see Diff for
// what has changed. The error is ErrNoConfigFile if there is no file.
func (o *Options) Reparse() (*Options, Problems, error) {
	if o.ConfigFile == "" {
		return nil, nil, ErrNoConfigFile
	}
	again, warnings, err := FromFile(o.ConfigFile, o.overrides...)
	if err != nil {
		return nil, nil, err
	}
	if err := again.Validate(); err != nil {
		return nil, nil, err
	}
	return again, warnings, nil
}
