package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What members tell the harness, and the shapes that the libraries want partitions and offsets in.

var stdout sync.Mutex

func tell(line string) {
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Println(line)
}

// reporter prints the events of one member, and knows what it has and how far it delivered.
type reporter struct {
	name string
	mu   sync.Mutex
	next map[place]int64 // of the partitions that the member has; -1: nothing delivered yet
}

func (r *reporter) event(format string, args ...any) {
	tell("@" + r.name + " " + fmt.Sprintf(format, args...))
}

func now() int64 { return time.Now().UnixMicro() }

func (r *reporter) assigned(generation int32, memberID string, places []place) {
	r.mu.Lock()
	for _, p := range places {
		r.next[p] = -1
	}
	r.mu.Unlock()
	told := "-"
	if generation >= 0 {
		told = strconv.Itoa(int(generation))
	}
	r.event("assigned t=%d gen=%s member=%s parts=%s", now(), told, orDash(noBlanks(memberID)), joined(places))
}

// gone is revoked or lost.
func (r *reporter) gone(kind string, places []place) {
	if len(places) == 0 {
		return
	}
	r.mu.Lock()
	for _, p := range places {
		delete(r.next, p)
	}
	r.mu.Unlock()
	r.event("%s t=%d parts=%s", kind, now(), joined(places))
}

func (r *reporter) owned() []place {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.next))
}

// records tells of delivered offsets of one partition, in their order.
func (r *reporter) records(p place, delivered []int64) {
	at := now()
	// Before the harness reads of it, and asks for a commit.
	r.mu.Lock()
	if _, mine := r.next[p]; mine && len(delivered) > 0 {
		r.next[p] = delivered[len(delivered)-1] + 1
	}
	r.mu.Unlock()
	for i := 0; i < len(delivered); {
		first := i
		for i++; i < len(delivered) && delivered[i] == delivered[i-1]+1; i++ {
		}
		r.event("records t=%d part=%s first=%d last=%d", at, p, delivered[first], delivered[i-1])
	}
}

// delivered is what a commit without offsets commits.
func (r *reporter) delivered() offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := offsets{}
	for p, at := range r.next {
		if at >= 0 {
			o[p] = groupOffset{at: at}
		}
	}
	return o
}

func (r *reporter) committed(asked int64, o offsets) {
	r.event("committed s=%d t=%d offsets=%s", asked, now(), o)
}

func (r *reporter) failed(err error) {
	r.event("error t=%d code=%s text=%s", now(), codeText(err), noBlanks(err.Error()))
}

func noBlanks(text string) string { return strings.Join(strings.Fields(text), "_") }

func codeText(err error) string {
	if code := errorCode(err); code != 0 {
		return strconv.Itoa(int(code))
	}
	return "-"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func joined(places []place) string {
	var words []string
	for _, p := range places {
		words = append(words, p.String())
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

func (o offsets) String() string {
	var words []string
	for p, offset := range o {
		word := fmt.Sprintf("%s:%d", p, offset.at)
		if offset.metadata != "" {
			word += ":" + offset.metadata
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// byTopic is the shape that the libraries want.
func byTopic[V any](o offsets, value func(groupOffset) V) map[string]map[int32]V {
	topics := map[string]map[int32]V{}
	for p, offset := range o {
		if topics[p.topic] == nil {
			topics[p.topic] = map[int32]V{}
		}
		topics[p.topic][p.partition] = value(offset)
	}
	return topics
}

func partitionsByTopic(places []place) map[string][]int32 {
	topics := map[string][]int32{}
	for _, p := range places {
		topics[p.topic] = append(topics[p.topic], p.partition)
	}
	return topics
}

func places(topics map[string][]int32) []place {
	var found []place
	for topic, partitions := range topics {
		for _, p := range partitions {
			found = append(found, place{topic, p})
		}
	}
	return found
}
