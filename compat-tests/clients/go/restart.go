package main

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// stream produces numbers at about 1000 a second until it is told where to end.
type stream struct {
	sent, acked atomic.Int64
	end         atomic.Int64 // exclusive; 0 as long as it is not known
	failed      chan error
	drained     chan struct{}
}

func (r *run) startStream(p producer) *stream {
	s := &stream{failed: make(chan error, 1), drained: make(chan struct{})}
	go func() {
		var open sync.WaitGroup
		for i := int64(0); s.end.Load() == 0 || i < s.end.Load(); i++ {
			open.Add(1)
			p.enqueue(r.ctx, &record{value: []byte(strconv.FormatInt(i, 10))}, func(err error) {
				if err != nil {
					select {
					case s.failed <- fmt.Errorf("record %d: %w", i, err):
					default:
					}
				}
				s.acked.Add(1)
				open.Done()
			})
			s.sent.Store(i + 1)
			if i%10 == 9 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		open.Wait()
		close(s.drained)
	}()
	return s
}

func (s *stream) awaitAcked(r *run, n int64) error {
	for s.acked.Load() < n {
		select {
		case err := <-s.failed:
			return err
		case <-r.ctx.Done():
			return fmt.Errorf("only %d of %d records acknowledged", s.acked.Load(), n)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// finish sends n more records and waits for all acknowledgements; it returns how many records were sent at all.
func (s *stream) finish(r *run, n int64) (int64, error) {
	s.end.Store(s.sent.Load() + n + 1)
	select {
	case <-s.drained:
	case <-r.ctx.Done():
		return 0, fmt.Errorf("%d of %d records acknowledged when time ran out", s.acked.Load(), s.sent.Load())
	}
	select {
	case err := <-s.failed:
		return 0, err
	default:
		return s.sent.Load(), nil
	}
}

func (r *run) restart(request string) error {
	if err := r.newTopic(r.topic, 1, nil); err != nil {
		return err
	}
	options := producerOptions{idempotent: true}
	p, err := r.newProducer(options)
	exactlyOnce := true
	if errors.As(err, &skip{}) {
		exactlyOnce = false
		options.idempotent = false
		p, err = r.newProducer(options)
	}
	if err != nil {
		return err
	}
	defer p.close()
	c, err := r.open(0)
	if err != nil {
		return err
	}
	defer c.close()
	n := int64(r.count(3000, 1000))
	s := r.startStream(p)
	for range 100 {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume before the restart: %w", err)
		}
		if got.offset != 0 && string(got.value) == "0" {
			return errors.New("doubled before the restart")
		}
	}
	if err := s.awaitAcked(r, n); err != nil {
		return fmt.Errorf("before the restart: %w", err)
	}
	if err := ask(request, "RESTARTED"); err != nil {
		return err
	}
	sent, err := s.finish(r, n)
	if err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	return r.checkNumbers(c, 100, sent, exactlyOnce)
}

// checkNumbers reads on with a consumer that has read the first `next` numbers already.
func (r *run) checkNumbers(c consumer, next, end int64, exactlyOnce bool) error {
	for next < end {
		got, err := c.next(r.ctx)
		if err != nil {
			return fmt.Errorf("consume, %d expected: %w", next, err)
		}
		number, err := strconv.ParseInt(string(got.value), 10, 64)
		if err != nil {
			return err
		}
		switch {
		case number == next:
			next++
		case number > next:
			return fmt.Errorf("number %d lost: %d follows at offset %d", next, number, got.offset)
		case exactlyOnce:
			return fmt.Errorf("number %d doubled at offset %d", number, got.offset)
		}
	}
	if exactlyOnce {
		return r.expectSilence(c, time.Second)
	}
	return nil
}
