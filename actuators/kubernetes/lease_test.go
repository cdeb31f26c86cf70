package kubernetes

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
)

const testLease = "engramd.deployment.api.api"

// An agentOf is one agent that would like to have the lease.
type agentOf struct {
	t    *testing.T
	s    *leaseServer
	name string
	seen leaseWatch
}

func newAgent(t *testing.T, s *leaseServer, name string) *agentOf {
	return &agentOf{t: t, s: s, name: name}
}

func (a *agentOf) try() (*lease, []actuators.Action, error) {
	want := &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: testLease, Namespace: "prod", Labels: merged(nil, managedBy)}}
	return take(a.t.Context(), a.s, want, a.name, &a.seen, testLease, slog.New(slog.DiscardHandler))
}

func (a *agentOf) take() (*lease, []actuators.Action) {
	a.t.Helper()
	l, left, err := a.try()
	if err != nil {
		a.t.Fatalf("%s cannot take the lease: %v", a.name, err)
	}
	return l, left
}

func (a *agentOf) refused() error {
	a.t.Helper()
	l, _, err := a.try()
	if err == nil {
		_ = l.Close()
	}
	if !errors.Is(err, actuators.ErrHeld) {
		a.t.Fatalf("%s: want ErrHeld, got %v", a.name, err)
	}
	return err
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, actuators.ErrLost) {
		t.Fatalf("want ErrLost, got %v", err)
	}
}

func closed(t *testing.T, l *lease) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestLeaseIsHeldByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := newAgent(t, s, "a"), newAgent(t, s, "b")
		l, left := a.take()
		if len(left) != 0 {
			t.Errorf("nobody left anything, got %v", left)
		}
		for range 40 { // ten minutes
			if err := b.refused(); !strings.Contains(err.Error(), "held by a") {
				t.Errorf("does not say who holds it: %v", err)
			}
			if err := l.Check(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Second)
		}
		closed(t, l)
		wantLost(t, l.Check())
		if s.the(testLease) != nil {
			t.Error("a lease with nothing open stays when it is given back")
		}
		next, _ := b.take()
		closed(t, next)
		closed(t, next) // again
	})
}

func TestHolderThatStopsRenewingLosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := newAgent(t, s, "a"), newAgent(t, s, "b")
		l, _ := a.take()
		if err := l.Record(actuators.Action{ID: "one", State: actuators.Applying}); err != nil {
			t.Fatal(err)
		}
		l.stop() // as SIGKILL does
		l.renewer.Wait()
		b.refused()
		time.Sleep(leaseDuration - time.Second)
		b.refused()
		time.Sleep(time.Second)
		next, left := b.take()
		if len(left) != 1 || left[0].ID != "one" || left[0].State != actuators.Applying {
			t.Errorf("the record did not survive the takeover: %+v", left)
		}
		wantLost(t, l.Check())
		wantLost(t, l.Record(actuators.Action{ID: "two"}))
		closed(t, l) // leaves the other's alone
		if err := next.Check(); err != nil {
			t.Error(err)
		}
		if n := *s.the(testLease).Spec.LeaseTransitions; n != 1 {
			t.Errorf("want 1 transition, got %d", n)
		}
		if err := next.Clear("one"); err != nil {
			t.Error(err)
		}
		closed(t, next)
	})
}

// Every watcher counts for itself from when it saw the last renewal: what the holder's clock says does
// not matter.
func TestClockSkewChangesNothing(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour, 24 * 365 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLeaseServer()
				a, b := newAgent(t, s, "a"), newAgent(t, s, "b")
				l, _ := a.take()
				defer closed(t, l)
				skewed := func(l *coordination.Lease) {
					at := metav1.NewMicroTime(time.Now().Add(skew))
					l.Spec.RenewTime, l.Spec.AcquireTime = &at, &at
				}
				l.stop()
				l.renewer.Wait()
				for range 10 { // a renews with its clock
					s.edit(testLease, skewed)
					b.refused()
					time.Sleep(renewEvery)
				}
				b.refused()
				time.Sleep(leaseDuration - renewEvery - time.Second)
				b.refused()
				time.Sleep(renewEvery + time.Second)
				next, _ := b.take()
				closed(t, next)
			})
		})
	}
}

func TestClockThatStandsStillStillRenews(t *testing.T) {
	at := time.Unix(1000, 0)
	var l coordination.Lease
	renewal(&l, at)
	was := signOf(&l)
	renewal(&l, at)
	if signOf(&l) == was {
		t.Error("two renewals of the same microsecond look the same")
	}
}

func TestAwayServerGivesNoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		l, _ := newAgent(t, s, "a").take()
		defer closed(t, l)
		s.set(func(s *leaseServer) { s.away = true })
		for range 10 { // longer than the lease lasts
			err := l.Check()
			if !errors.Is(err, actuators.ErrTransient) || errors.Is(err, actuators.ErrLost) {
				t.Fatalf("want ErrTransient alone, got %v", err)
			}
			time.Sleep(leaseDuration / 5)
		}
		s.set(func(s *leaseServer) { s.away = false })
		if err := l.Check(); err != nil { // nobody took it meanwhile
			t.Fatal(err)
		}
		if age := l.age(); age > renewEvery {
			t.Errorf("it was not made to last before something is begun: renewed %s ago", age)
		}
	})
}

// A record is made once the server is back, if that is before the Lease lapses; else it is an error.
func TestRecordWhileTheServerIsAway(t *testing.T) {
	for name, is := range map[string]struct {
		away time.Duration
		kept bool
	}{
		"for a moment": {leaseDuration / 3, true},
		"for good":     {10 * leaseDuration, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLeaseServer()
				l, _ := newAgent(t, s, "a").take()
				defer closed(t, l)
				s.set(func(s *leaseServer) { s.away = true })
				back := time.AfterFunc(is.away, func() { s.set(func(s *leaseServer) { s.away = false }) })
				defer back.Stop()
				began := time.Now()
				err := l.Record(actuators.Action{ID: "x"})
				if took := time.Since(began); took > leaseDuration {
					t.Errorf("it took %s", took)
				}
				if !is.kept && !errors.Is(err, actuators.ErrTransient) || is.kept && (err != nil || !hasRecords(s.the(testLease).Annotations)) {
					t.Errorf("record: %v; open: %v", err, s.the(testLease).Annotations)
				}
				s.set(func(s *leaseServer) { s.away = false })
			})
		})
	}
}

func TestAwayServerAndAnotherTookIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := newAgent(t, s, "a"), newAgent(t, s, "b")
		l, _ := a.take()
		defer closed(t, l)
		b.refused()
		s.edit(testLease, func(l *coordination.Lease) { holder := "b"; l.Spec.HolderIdentity = &holder })
		err := l.Check()
		wantLost(t, err)
		if !strings.Contains(err.Error(), `held by "b"`) {
			t.Errorf("does not say who has it: %v", err)
		}
	})
}

func TestLeaseTakenAway(t *testing.T) {
	tests := map[string]func(s *leaseServer){
		"deleted":    func(s *leaseServer) { s.set(func(s *leaseServer) { delete(s.all, testLease) }) },
		"holder out": func(s *leaseServer) { s.edit(testLease, func(l *coordination.Lease) { l.Spec.HolderIdentity = nil }) },
		"made again": func(s *leaseServer) { s.edit(testLease, func(l *coordination.Lease) { l.UID = "another" }) },
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLeaseServer()
				l, _ := newAgent(t, s, "a").take()
				do(s)
				time.Sleep(renewEvery + time.Millisecond) // the renewal finds out
				wantLost(t, l.stillOurs())
				wantLost(t, l.Check())
				wantLost(t, l.Record(actuators.Action{ID: "one"}))
				closed(t, l)
			})
		})
	}
}

func TestOthersMayAnnotateALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		l, _ := newAgent(t, s, "a").take()
		s.edit(testLease, func(l *coordination.Lease) { l.Annotations = map[string]string{"note": "hello"} })
		if err := l.Record(actuators.Action{ID: "one"}); err != nil {
			t.Fatal(err)
		}
		got := s.the(testLease).Annotations
		if got["note"] != "hello" || got[actionPrefix+"one"] == "" {
			t.Errorf("got %v", got)
		}
		closed(t, l)
	})
}

func TestLostAnswersDoNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := newAgent(t, s, "a")
		s.lose = true
		if _, _, err := a.try(); !errors.Is(err, actuators.ErrTransient) {
			t.Fatalf("want ErrTransient, got %v", err)
		}
		l, _ := a.take() // it is ours already
		s.set(func(s *leaseServer) { s.lose = true })
		time.Sleep(2 * renewEvery)
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		if err := l.Record(actuators.Action{ID: "one"}); err != nil {
			t.Fatal(err)
		}
		s.set(func(s *leaseServer) { s.lose = true })
		if err := l.Clear("one"); err != nil { // asked again
			t.Fatal(err)
		}
		if err := l.Clear("one"); err != nil {
			t.Fatal(err)
		}
		if hasRecords(s.the(testLease).Annotations) {
			t.Error("the record is still there")
		}
		closed(t, l)
	})
}

func TestGivenBackWithAnOpenAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := newAgent(t, s, "a"), newAgent(t, s, "b")
		l, _ := a.take()
		want := actuators.Action{ID: "one", TargetName: "api", State: actuators.Validating}
		if err := l.Record(want); err != nil {
			t.Fatal(err)
		}
		b.refused()
		closed(t, l)
		if holder := holderOf(s.the(testLease)); holder != "" {
			t.Errorf("still held by %q", holder)
		}
		next, left := b.take() // at once
		if len(left) != 1 || left[0].ID != "one" || left[0].TargetName != "api" {
			t.Errorf("got %+v", left)
		}
		closed(t, next)
	})
}

func TestRecordThatMakesNoSenseIsNotPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := newAgent(t, s, "a")
		l, _ := a.take()
		_ = l.Record(actuators.Action{ID: "one"})
		closed(t, l)
		for _, text := range []string{"{", `{"id":"two"}`, compressedMark + "x", compressedMark + "eA=="} {
			s.edit(testLease, func(l *coordination.Lease) { l.Annotations[actionPrefix+"one"] = text })
			_, _, err := a.try()
			if err == nil || !strings.Contains(err.Error(), actionPrefix+"one") {
				t.Errorf("%s: want an error that names the annotation, got %v", text, err)
			}
		}
		if holder := holderOf(s.the(testLease)); holder != "" {
			t.Errorf("taken all the same by %q", holder)
		}
	})
}

// A noisy world: three agents come and go, clocks differ, the server is slow or away; whoever passes
// Check must be the only one.
func TestTwoNeverHoldBoth(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s := newLeaseServer()
			agents := []*agentOf{newAgent(t, s, "a"), newAgent(t, s, "b"), newAgent(t, s, "c")}
			held := make([]*lease, len(agents))
			takeovers := 0
			for range 300 {
				i := random.IntN(len(agents))
				switch {
				case held[i] == nil:
					if l, _, err := agents[i].try(); err == nil {
						held[i] = l
						takeovers++
					}
				case random.IntN(8) == 0: // dies
					held[i].stop()
					held[i].renewer.Wait()
				case random.IntN(8) == 0:
					_ = held[i].Close()
					held[i] = nil
				}
				s.set(func(s *leaseServer) {
					s.slow = time.Duration(random.IntN(3)) * time.Second
					s.away = random.IntN(6) == 0
				})
				holders := 0
				for i, l := range held {
					if l == nil {
						continue
					}
					switch err := l.Check(); {
					case err == nil:
						holders++
						if left := leaseDuration - l.age(); left < leaseDuration/2 {
							t.Fatalf("Check passed %s before the lease lapses", left)
						}
					case errors.Is(err, actuators.ErrLost):
						_ = l.Close()
						held[i] = nil
					}
				}
				if holders > 1 {
					t.Fatalf("%d agents hold the lease", holders)
				}
				time.Sleep(time.Duration(random.IntN(6)) * time.Second)
			}
			for _, l := range held {
				if l != nil {
					_ = l.Close()
				}
			}
			if takeovers < 5 {
				t.Errorf("only %d takeovers: this tests nothing", takeovers)
			}
		})
	}
}

func TestRenewsAsOftenAsItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		l, _ := newAgent(t, s, "a").take()
		before := s.wrote()
		time.Sleep(time.Minute + time.Millisecond)
		if got := s.wrote() - before; got != 12 {
			t.Errorf("want 12 renewals a minute, got %d", got)
		}
		closed(t, l)
	})
}

func TestLongRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := newAgent(t, s, "a")
		l, _ := a.take()
		long := actuators.Action{ID: "one", Reason: strings.Repeat("much to say, ", 100_000)}
		if err := l.Record(long); err != nil {
			t.Fatalf("1.3 MB of text that packs well: %v", err)
		}
		if size := len(s.the(testLease).Annotations[actionPrefix+"one"]); size > 16<<10 {
			t.Errorf("takes %d bytes", size)
		}
		noise := make([]byte, 600<<10)
		for i := range noise {
			noise[i] = byte('a' + rand.IntN(26))
		}
		err := l.Record(actuators.Action{ID: "two", Reason: string(noise)})
		if err == nil || errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), "action two") {
			t.Errorf("want a clear refusal, got %v", err)
		}
		if err := l.Check(); err != nil {
			t.Error(err)
		}
		closed(t, l)
		next, left := a.take()
		if diff := cmp.Diff(long.Reason, left[0].Reason); diff != "" || len(left) != 1 {
			t.Errorf("%d records, -want +got:\n%s", len(left), diff)
		}
		closed(t, next)
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(`{"id":"one"}`)
	f.Add(compressedMark + "H4sIAAAAAAAA/6pWykxRslLKz0tVqgUEAAD//wEAAP//")
	f.Add("gzip:")
	f.Fuzz(func(t *testing.T, value string) {
		a, err := decodeRecord(value)
		if err != nil {
			return
		}
		again, err := encodeRecord(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeRecord(again); err != nil {
			t.Errorf("%q became %q: %v", value, again, err)
		}
	})
}

func TestLeaseNames(t *testing.T) {
	if got := leaseName(kindDeployment, "api", "api"); got != testLease {
		t.Errorf("got %s", got)
	}
	long := strings.Repeat("a.", 120) + "b"
	one, two := leaseName(kindStatefulSet, long, "c"), leaseName(kindStatefulSet, long, "d")
	if one == two || len(one) > maxName || !subdomain.MatchString(one) {
		t.Errorf("%s (%d bytes) and %s", one, len(one), two)
	}
}
