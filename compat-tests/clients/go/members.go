package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The members of the group scenarios (README.md, "The members of a program"): lines on stdin, one goroutine per member.

// unsupported is the error of a command, or of an option, that the client does not have.
type unsupported struct{ text string }

func (u unsupported) Error() string { return u.text }

type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.topic, p.partition) }

type groupOffset struct {
	at       int64
	metadata string
}

type offsets map[place]groupOffset

type joinOptions struct {
	group            string
	topics           []string
	pattern          string
	consumerProtocol bool
	assignor         string // empty: the protocol's default
	session          time.Duration
	heartbeat        time.Duration
	instance         string
	reset            string // earliest, latest or none
	autoCommit       time.Duration
	commitEach       bool
}

// member is one consumer of a group. It tells what happens by its reporter.
type member interface {
	join(ctx context.Context, o joinOptions) error
	// commit returns after the broker's answer; async only chooses how the client is asked.
	commit(ctx context.Context, async bool, o offsets) error
	committed(ctx context.Context, places []place) (offsets, error)
	// seek: at is an offset, offsetEarliest or offsetLatest.
	seek(ctx context.Context, p place, at int64) error
	pause(ctx context.Context, places []place) error
	resume(ctx context.Context, places []place) error
	close(ctx context.Context) error
}

type groupDescription struct {
	state, kind, assignor string
	members               int
	places                []place
	instances             []string
}

type groupAdmin interface {
	// groups are lines `id:state:type`.
	groups(ctx context.Context) ([]string, error)
	describeGroup(ctx context.Context, group string) (groupDescription, error)
	groupOffsets(ctx context.Context, group string) (offsets, error)
	alterOffsets(ctx context.Context, group string, o offsets) error
	deleteOffsets(ctx context.Context, group string, places []place) error
	deleteGroup(ctx context.Context, group string) error
}

type groupClient interface {
	client
	groupAdmin
	member(r *reporter) member
}

// command is one line of the harness, without the member's name.
type command struct {
	verb    string
	options map[string]string
}

// take removes an option, so that what is left over is known to be unknown.
func (c command) take(name, otherwise string) string {
	value, ok := c.options[name]
	if !ok {
		return otherwise
	}
	delete(c.options, name)
	return value
}

func (c command) leftOver() error {
	for name := range c.options {
		return unsupported{"option " + name}
	}
	return nil
}

func (c command) takePlaces(name string) ([]place, error) {
	var found []place
	for word := range strings.SplitSeq(c.take(name, ""), ",") {
		if word == "" {
			continue
		}
		p, _, err := parsePlace(word)
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

func (c command) takeOffsets() (offsets, error) {
	found := offsets{}
	for word := range strings.SplitSeq(c.take("offsets", ""), ",") {
		if word == "" {
			continue
		}
		p, rest, err := parsePlace(word)
		if err != nil {
			return nil, err
		}
		at, metadata, _ := strings.Cut(rest, ":")
		offset, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return nil, err
		}
		found[p] = groupOffset{offset, metadata}
	}
	return found, nil
}

// parsePlace splits `topic:0:rest`.
func parsePlace(word string) (place, string, error) {
	parts := strings.SplitN(word, ":", 3)
	if len(parts) < 2 {
		return place{}, "", fmt.Errorf("no partition: %s", word)
	}
	number, err := strconv.ParseInt(parts[1], 10, 32)
	rest := ""
	if len(parts) == 3 {
		rest = parts[2]
	}
	return place{parts[0], int32(number)}, rest, err
}

const commandTimeout = 30 * time.Second

// members obeys until stdin ends.
func members(c groupClient) {
	queues := map[string]chan command{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		cmd := command{words[1], map[string]string{}}
		for _, word := range words[2:] {
			name, value, _ := strings.Cut(word, "=")
			cmd.options[name] = value
		}
		if queues[words[0]] == nil {
			queues[words[0]] = make(chan command, 1)
			go obey(c, words[0], queues[words[0]])
		}
		queues[words[0]] <- cmd
	}
}

func obey(c groupClient, name string, queue <-chan command) {
	r := &reporter{name: name, next: map[place]int64{}}
	m := c.member(r)
	t, _ := c.(transactor)
	acting := &acting{c: t, r: r}
	for cmd := range queue {
		ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
		var answer string
		var err error
		if strings.HasPrefix(cmd.verb, "txn-") {
			err = acting.perform(ctx, cmd)
		} else {
			answer, err = perform(ctx, c, m, r, cmd)
		}
		cancel()
		var missing unsupported
		switch {
		case err == nil:
			r.event("%s", strings.TrimSpace("done "+answer))
		case errors.As(err, &missing):
			r.event("unsupported %s", missing.text)
		default:
			r.event("failed %s %s", codeText(err), strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}

func perform(ctx context.Context, c groupClient, m member, r *reporter, cmd command) (string, error) {
	switch cmd.verb {
	case "join":
		o, err := parseJoin(cmd)
		if err != nil {
			return "", err
		}
		return "", m.join(ctx, o)
	case "commit":
		async := cmd.take("mode", "sync") == "async"
		o, err := cmd.takeOffsets()
		if err == nil {
			err = cmd.leftOver()
		}
		if err != nil {
			return "", err
		}
		return "", commitAndTell(ctx, m, r, async, o)
	case "committed":
		asked, err := cmd.takePlaces("parts")
		if err != nil {
			return "", err
		}
		o, err := m.committed(ctx, asked)
		return "offsets=" + o.String(), err
	case "seek":
		return "", seek(ctx, m, cmd)
	case "pause", "resume":
		chosen, err := cmd.takePlaces("parts")
		if err != nil {
			return "", err
		}
		if cmd.verb == "pause" {
			return "", m.pause(ctx, chosen)
		}
		return "", m.resume(ctx, chosen)
	case "close":
		return "", m.close(ctx)
	}
	return administer(ctx, c, cmd)
}

// commitAndTell commits everything delivered if there are no offsets.
func commitAndTell(ctx context.Context, m member, r *reporter, async bool, o offsets) error {
	if len(o) == 0 {
		o = r.delivered()
	}
	if len(o) == 0 {
		return nil
	}
	asked := now()
	if err := m.commit(ctx, async, o); err != nil {
		return err
	}
	r.committed(asked, o)
	return nil
}

func parseJoin(cmd command) (joinOptions, error) {
	ms := func(name, otherwise string) time.Duration {
		n, _ := strconv.Atoi(cmd.take(name, otherwise))
		return time.Duration(n) * time.Millisecond
	}
	o := joinOptions{
		group:            cmd.take("group", ""),
		pattern:          cmd.take("pattern", ""),
		consumerProtocol: cmd.take("protocol", "classic") == "consumer",
		assignor:         cmd.take("assignor", ""),
		session:          ms("session_ms", "6000"),
		heartbeat:        ms("heartbeat_ms", "500"),
		instance:         cmd.take("instance", ""),
		reset:            cmd.take("reset", "earliest"),
		autoCommit:       ms("auto_commit_ms", "0"),
		commitEach:       cmd.take("commit", "no") == "each",
	}
	if topics := cmd.take("topics", ""); topics != "" {
		o.topics = strings.Split(topics, ",")
	}
	if o.assignor == "" && !o.consumerProtocol {
		o.assignor = "range"
	}
	return o, cmd.leftOver()
}

func seek(ctx context.Context, m member, cmd command) error {
	p, at, err := parsePlace(cmd.take("offset", ""))
	if err != nil {
		return err
	}
	switch at {
	case "beginning":
		return m.seek(ctx, p, offsetEarliest)
	case "end":
		return m.seek(ctx, p, offsetLatest)
	}
	offset, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return err
	}
	return m.seek(ctx, p, offset)
}

func administer(ctx context.Context, c groupAdmin, cmd command) (string, error) {
	group := cmd.take("group", "")
	switch cmd.verb {
	case "groups":
		lines, err := c.groups(ctx)
		return "groups=" + strings.Join(lines, ","), err
	case "describe":
		d, err := c.describeGroup(ctx, group)
		return fmt.Sprintf("state=%s type=%s assignor=%s members=%d parts=%s instances=%s", orDash(d.state), orDash(d.kind),
			orDash(d.assignor), d.members, joined(d.places), strings.Join(d.instances, ",")), err
	case "offsets":
		o, err := c.groupOffsets(ctx, group)
		return "offsets=" + o.String(), err
	case "alter":
		o, err := cmd.takeOffsets()
		if err != nil {
			return "", err
		}
		return "", c.alterOffsets(ctx, group, o)
	case "delete-offsets":
		chosen, err := cmd.takePlaces("parts")
		if err != nil {
			return "", err
		}
		return "", c.deleteOffsets(ctx, group, chosen)
	case "delete-group":
		return "", c.deleteGroup(ctx, group)
	}
	return "", unsupported{"no verb " + cmd.verb}
}
