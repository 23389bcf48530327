// The compatibility program of the Go clients: one binary, `client <name> <bootstrap> <scenario> <suffix>`.
// The contract (exit codes, topic names, services of the harness) is in compat-tests/README.md.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const exitSkip = 77

// skip is the error of a scenario that the client cannot do.
type skip struct{ reason string }

func (s skip) Error() string { return s.reason }

var adapters = map[string]func(bootstrap string) client{
	"franz-go": newFranz,
	"sarama":   newSarama,
	"kafka-go": newSegmentio,
}

func main() {
	if len(os.Args) != 5 || adapters[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: client franz-go|sarama|kafka-go <bootstrap> <scenario> <suffix>")
		os.Exit(2)
	}
	scenario := os.Args[3]
	if scenario == "members" {
		members(adapters[os.Args[1]](os.Args[2]).(groupClient))
		return
	}
	limit := 55 * time.Second
	if strings.HasPrefix(scenario, "restart") {
		limit = 115 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	run := &run{
		ctx:      ctx,
		client:   adapters[os.Args[1]](os.Args[2]),
		scenario: scenario,
		topic:    scenario + "-" + os.Args[4],
		fast:     os.Getenv("COMPAT_FAST") == "1",
	}
	result := make(chan error, 1)
	go func() { result <- run.play() }()
	var err error
	select {
	case err = <-result:
	case <-time.After(limit):
		err = errors.New("time limit of the program exceeded")
	}
	var skipped skip
	switch {
	case err == nil:
		fmt.Println("passed")
	case errors.As(err, &skipped):
		fmt.Println(skipped.reason)
		os.Exit(exitSkip)
	default:
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

var harness = bufio.NewReader(os.Stdin)

// ask prints a request to the harness and waits for its answer.
func ask(request, expected string) error {
	fmt.Println(request)
	answer, err := harness.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: no answer of the harness: %w", request, err)
	}
	if strings.TrimSpace(answer) != expected {
		return fmt.Errorf("%s: harness answered %q", request, strings.TrimSpace(answer))
	}
	return nil
}
