// Polls many transactions with Go's net/http, as one writes it: a goroutine a transaction, which sleeps between two
// polls for a time drawn from the band. As many connections as it takes, all kept, and at most AT_ONCE polls at once:
// without a bound it opens thousands of connections while it cannot keep up, and never recovers. Runs until SIGTERM,
// then prints as JSON how late polls were sent since SIGUSR1, in milliseconds.
//
//	band_loop PORT CA_FILE TRANSACTIONS LEAST_MS MOST_MS AT_ONCE 1.1|2
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

type transaction struct {
	ID     string `json:"merchant_transaction_id"`
	Status string `json:"status"`
}

type lateness struct {
	sync.Mutex
	values []float64
}

func (all *lateness) add(value time.Duration) {
	all.Lock()
	defer all.Unlock()
	all.values = append(all.values, float64(value)/1e6)
}

func (all *lateness) clear() {
	all.Lock()
	defer all.Unlock()
	all.values = nil
}

func (all *lateness) quantile(share float64) float64 {
	all.Lock()
	defer all.Unlock()
	sort.Float64s(all.values)
	if len(all.values) == 0 {
		return 0
	}
	return all.values[int(share*float64(len(all.values)-1))]
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func makeClient(caFile string, atOnce int, version string) *http.Client {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 1 << 20,
		ForceAttemptHTTP2: version == "2"}
	if version != "2" {
		transport.MaxConnsPerHost = atOnce // it dials more than it has requests
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: transport}
}

// The reply's transaction has to be the one asked for. A failed poll is made again when it is due again.
func poll(client *http.Client, url string, id string, due time.Time, all *lateness) {
	request, _ := http.NewRequest("GET", url+id, nil)
	request.Header.Set("Authorization", "Bearer bench")
	trace := &httptrace.ClientTrace{WroteHeaders: func() { all.add(time.Since(due)) }}
	reply, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return
	}
	defer reply.Body.Close()
	var got transaction
	if json.NewDecoder(reply.Body).Decode(&got) == nil && got.ID != id {
		log.Fatal("another reply: ", got)
	}
}

func main() {
	least, most, atOnce := number(os.Args[4]), number(os.Args[5]), number(os.Args[6])
	client := makeClient(os.Args[2], atOnce, os.Args[7])
	url := "https://localhost:" + os.Args[1] + "/widget/transactions/"
	var all lateness
	places := make(chan struct{}, atOnce)
	for at := 0; at < number(os.Args[3]); at++ {
		go func(id string) {
			due := time.Now().Add(time.Duration(rand.Float64() * float64(most) * 1e6)) // spread, as they would come in
			for {
				time.Sleep(time.Until(due))
				start := time.Now()
				places <- struct{}{}
				poll(client, url, id, due, &all)
				<-places
				due = start.Add(time.Duration((float64(least) + rand.Float64()*float64(most-least)) * 1e6))
			}
		}(fmt.Sprintf("550e8400-e29b-41d4-a716-%012d", at))
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	for one := range signals {
		if one == syscall.SIGTERM {
			break
		}
		all.clear()
	}
	fmt.Printf(`{"p50": %f, "p99": %f}`, all.quantile(0.5), all.quantile(0.99))
}
