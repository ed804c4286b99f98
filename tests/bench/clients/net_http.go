// Polls with Go's net/http: a goroutine a connection, the reply parsed as JSON. Prints requests and seconds as JSON.
//
//	net_http_client PORT CA_FILE CONNECTIONS SECONDS
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type transaction struct {
	ID     string `json:"merchant_transaction_id"`
	Status string `json:"status"`
}

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	connections, _ := strconv.Atoi(os.Args[3])
	seconds, _ := strconv.ParseFloat(os.Args[4], 64)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	var requests atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(seconds * float64(time.Second)))
	for number := 0; number < connections; number++ {
		group.Add(1)
		go func(id string) {
			defer group.Done()
			for time.Now().Before(until) {
				request, _ := http.NewRequest("GET", "https://localhost:"+os.Args[1]+"/widget/transactions/"+id, nil)
				request.Header.Set("Authorization", "Bearer bench")
				reply, err := client.Do(request)
				if err != nil {
					log.Fatal(err)
				}
				var got transaction
				err = json.NewDecoder(reply.Body).Decode(&got)
				reply.Body.Close()
				if err != nil || got.ID != id || got.Status == "" {
					log.Fatal("another reply: ", err, got)
				}
				requests.Add(1)
			}
		}(fmt.Sprintf("550e8400-e29b-41d4-a716-%012d", number))
	}
	group.Wait()
	fmt.Printf(`{"requests": %d, "seconds": %f}`, requests.Load(), time.Since(start).Seconds())
}
