package answer_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
)

const mebibyte = 1 << 20

// hookServer serves the hooks over TLS, with limits of connections that play no part.
func hookServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(answer.Handler(config(newWorld(t).Store)))
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Minute, time.Minute
	server.StartTLS()
	server.Client().Timeout = 5 * time.Second // Cluster API's patience
	t.Cleanup(server.Close)
	return server
}

// post sends a request as Cluster API does: at once.
func post(t assert.TestingT, server *httptest.Server, size int) int {
	response, err := server.Client().Post(server.URL+generatePath, "application/json",
		strings.NewReader(strings.Repeat(" ", size-2)+"{}"))
	if !assert.NoError(t, err) {
		return 0
	}
	assert.NoError(t, response.Body.Close())
	return response.StatusCode
}

// open makes a connection, sends text over it and leaves it open.
func open(t *testing.T, server *httptest.Server, text string) net.Conn {
	t.Helper()
	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Error(err) // from any goroutine
		return &net.TCPConn{}
	}
	t.Cleanup(func() { _ = connection.Close() })
	_, _ = io.WriteString(connection, text) // it may be cut off meanwhile
	return connection
}

// greedy is a request whose answer is as large as itself, with padding of that size.
func greedy(t *testing.T, padding int) string {
	t.Helper()
	request := bytes.Replace(requests(t)["kubeadm"], []byte(`"preKubeadmCommands":[`),
		[]byte(`"preKubeadmCommands":["`+strings.Repeat("x", padding)+`",`), 1)
	require.Greater(t, len(request), padding)
	return string(request)
}

// Whatever a client says that it will send, or sends slowly, others are answered within Cluster API's patience.
func TestSlowClientsDelayNobody(t *testing.T) {
	head := "POST " + generatePath + " HTTP/1.1\r\nHost: x\r\n"
	declared := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, 10*mebibyte)
	for name, test := range map[string]struct {
		clients int
		sent    string
		// trickle is what they send again and again from then on.
		trickle string
	}{
		"if many declare much and send nothing":   {100, declared, ""},
		"if many declare much and send a byte":    {100, declared + "{", ""},
		"if many declare nothing and send a byte": {100, head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", ""},
		"if many hold a header back":              {100, head + "X-Large: " + strings.Repeat("x", 8<<10), ""},
		"if some send nearly all":                 {6, declared + strings.Repeat(" ", 9*mebibyte), ""},
		"if some send nearly all without a length": {
			6, head + "Transfer-Encoding: chunked\r\n\r\n900000\r\n" + strings.Repeat(" ", 9*mebibyte), "",
		},
		"if some send nearly all, and then a trickle": {6, declared + strings.Repeat(" ", 9*mebibyte), " "},
	} {
		t.Run(name, func(t *testing.T) {
			server := hookServer(t)
			var clients sync.WaitGroup
			connections := make(chan net.Conn, test.clients)
			for range test.clients {
				clients.Go(func() { connections <- open(t, server, test.sent) })
			}
			first := <-connections // the rest goes on, so that the server is full, or becomes so, when others call
			if test.trickle != "" {
				clients.Go(func() {
					for err := error(nil); err == nil; {
						_, err = io.WriteString(first, test.trickle)
					}
				})
			}
			for _, size := range []int{2, 200 << 10, 2 * mebibyte} {
				assert.Equal(t, http.StatusOK, post(t, server, size), "a request of %d bytes", size)
			}
			_ = first.Close() // it may be cut off
			clients.Wait()
		})
	}
}

// A client that does not take its answer keeps the room of others no longer than one that does not send.
func TestAnswersThatNobodyTakes(t *testing.T) {
	server := hookServer(t)
	large := greedy(t, 4*mebibyte)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			open(t, server, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
				generatePath, len(large), large))
		})
	}
	clients.Wait()
	// A busy machine answers them one after the other, and turns others away meanwhile; the server's own patience with
	// them is a minute.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, http.StatusOK, post(c, server, 9*mebibyte))
	}, 30*time.Second, 10*time.Millisecond)
}

// Requests that are too large together, each with a part that is of no use without the rest, end in answers all the
// same.
func TestLargeRequestsTogether(t *testing.T) {
	server := hookServer(t)
	together := func() map[int]int {
		var clients sync.WaitGroup
		answers := make(chan int, 12)
		for range cap(answers) {
			clients.Go(func() { answers <- post(t, server, 9*mebibyte) })
		}
		clients.Wait()
		close(answers)
		count := map[int]int{}
		for status := range answers {
			count[status]++
		}
		// A machine that is too busy to read them in time says so.
		require.Equal(t, cap(answers),
			count[http.StatusOK]+count[http.StatusServiceUnavailable]+count[http.StatusRequestTimeout], "%v", count)
		return count
	}
	// If each kept its part and waited for the rest, none would ever be answered; a busy machine has more than one try.
	deadline := time.Now().Add(time.Minute)
	for together()[http.StatusOK] == 0 {
		require.True(t, time.Now().Before(deadline), "no request was answered")
	}
	for post(t, server, 9*mebibyte) != http.StatusOK {
		require.True(t, time.Now().Before(deadline.Add(time.Minute)), "one more, when there is room again")
	}
}

// A body that does not arrive is cut off long before Cluster API gives up, also when nobody needs its room.
func TestSlowBodiesAreCutOff(t *testing.T) {
	server := hookServer(t)
	connection := open(t, server,
		fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", generatePath, 10*mebibyte))
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(5*time.Second)))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err, "it is answered before Cluster API's own patience ends")
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
}

// A client that sends slowly, but sends, is served.
func TestSteadyBodiesAreServed(t *testing.T) {
	server := hookServer(t)
	body, end := io.Pipe()
	go func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for range 100 {
			<-pace.C
			_, _ = end.Write([]byte(strings.Repeat(" ", 10<<10)))
		}
		_, _ = end.Write([]byte("{}"))
		_ = end.Close()
	}()
	response, err := server.Client().Post(server.URL+generatePath, "application/json", body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// A Cluster has one template of each kind, so one request does not make an answer that is many times as large.
func TestAnswersAreNotMuchLargerThanRequests(t *testing.T) {
	var request map[string]any
	require.NoError(t, json.Unmarshal(requests(t)["kubeadm"], &request))
	items := request["items"].([]any)
	request["items"] = append(items, items...)
	recorder := ask(t, answer.Handler(config(newWorld(t).Store)), generatePath, request)
	require.Equal(t, http.StatusOK, recorder.Code)
	var response hooks.GeneratePatchesResponse
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &response))
	assert.Equal(t, hooks.ResponseStatusFailure, response.Status)
	assert.Contains(t, response.Message, "more than one")
	assert.Empty(t, response.Items)
}
