package server_test

import (
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// A server inside another program, and a client of it.
func ExampleServer() {
	opts := options.New()
	opts.Host, opts.Port = "127.0.0.1", -1 // any free port
	opts.Log.File = "/dev/null"
	s, err := server.New(opts)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(); err != nil {
		log.Fatal(err)
	}
	defer s.Shutdown()

	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("greet.*")
	if err != nil {
		log.Fatal(err)
	}
	if err := nc.Publish("greet.joe", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	msg, err := sub.NextMsg(nats.DefaultTimeout)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", msg.Subject, msg.Data)
	// Output: greet.joe: hello
}
