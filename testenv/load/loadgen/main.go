// Command loadgen sends requests to a loopback address at a set rate and prints what became of them.
//
//	go run ./testenv/load/loadgen -rate 50 -for 30s 'http://127.0.0.1:8080/work?cpu=5ms'
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/engramd/engramd/testenv/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run() error {
	var config load.Config
	flag.Float64Var(&config.Rate, "rate", 10, "requests a second")
	flag.DurationVar(&config.MaxDuration, "for", 10*time.Second, "how long")
	flag.DurationVar(&config.Timeout, "timeout", 0, "a request's deadline (default 5s)")
	flag.StringVar(&config.Method, "method", "GET", "HTTP method")
	flag.BoolVar(&config.FreshConnections, "fresh", false, "open a connection for each request")
	csv := flag.String("csv", "", "write one line a request to this file")
	flag.Parse()
	config.URL = flag.Arg(0)
	g, err := load.New(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	g.Run(ctx)
	report := g.Report()
	fmt.Println(report)
	if *csv == "" {
		return nil
	}
	f, err := os.Create(*csv)
	if err != nil {
		return err
	}
	defer f.Close()
	return report.WriteCSV(f)
}
