package answer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
)

const mebibyte = 1 << 20

// network is an in-memory network. In a synctest bubble it uses the bubble's time, so time limits are exact however
// busy the machine is. Nothing is buffered, so a client that does not read is noticed at once.
type network struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case connection := <-n.calls:
		return connection, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	close(n.closed)
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) dial() net.Conn {
	client, server := net.Pipe()
	n.calls <- closeWriter{server}
	return client
}

// closeWriter makes the server wait a moment before it closes a connection whose client still sends, as with TCP.
type closeWriter struct{ net.Conn }

func (closeWriter) CloseWrite() error { return nil }

// serveHooks runs a test in a bubble with a server for the hooks, without the limit on connections.
func serveHooks(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		handler := answer.Handler(config(newWorld(t).Store)) // made in the bubble, where its channels belong
		n := &network{calls: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: handler, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
		go func() { _ = server.Serve(n) }()
		t.Cleanup(func() { assert.NoError(t, server.Shutdown(context.Background())) })
		test(t, n)
	})
}

// post sends a request as Cluster API does: at once, and with its timeout. The status is 0 if it is cut off.
func (n *network) post(t *testing.T, size int) int {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return n.dial(), nil },
	}}
	response, err := client.Post("http://hooks"+generatePath, "application/json",
		strings.NewReader(strings.Repeat(" ", size-2)+"{}"))
	if err != nil {
		t.Log(err)
		return 0
	}
	assert.NoError(t, response.Body.Close())
	return response.StatusCode
}

// open opens a connection, sends text and leaves it open.
func (n *network) open(t *testing.T, text string) net.Conn {
	connection := n.dial()
	t.Cleanup(func() { _ = connection.Close() })
	_, _ = io.WriteString(connection, text) // it may be cut off meanwhile
	return connection
}

// greedy returns a request with that much padding, whose answer is as large as the request.
func greedy(t *testing.T, padding int) string {
	t.Helper()
	request := bytes.Replace(requests(t)["kubeadm"], []byte(`"preKubeadmCommands":[`),
		[]byte(`"preKubeadmCommands":["`+strings.Repeat("x", padding)+`",`), 1)
	require.Greater(t, len(request), padding)
	return string(request)
}

// Whatever a client announces or sends slowly, others get answers within Cluster API's timeout.
func TestSlowClientsDelayNobody(t *testing.T) {
	head := "POST " + generatePath + " HTTP/1.1\r\nHost: x\r\n"
	declared := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, 10*mebibyte)
	for name, test := range map[string]struct {
		clients int
		sent    string
		// trickle is what they then keep sending.
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
			serveHooks(t, func(t *testing.T, n *network) {
				var clients sync.WaitGroup
				connections := make(chan net.Conn, test.clients)
				for range test.clients {
					clients.Go(func() { connections <- n.open(t, test.sent) })
				}
				first := <-connections // the others go on, so that the server is or becomes full when more clients call
				if test.trickle != "" {
					clients.Go(func() {
						for err := error(nil); err == nil; {
							_, err = io.WriteString(first, test.trickle)
							<-time.After(time.Millisecond)
						}
					})
				}
				for _, size := range []int{2, 200 << 10, 2 * mebibyte} {
					assert.Equal(t, http.StatusOK, n.post(t, size), "a request of %d bytes", size)
				}
				_ = first.Close() // it may be cut off
				clients.Wait()
			})
		})
	}
}

// A client that does not read its answer keeps room from others no longer than one that does not send.
func TestAnswersThatNobodyTakes(t *testing.T) {
	large := greedy(t, 4*mebibyte)
	serveHooks(t, func(t *testing.T, n *network) {
		for range 8 {
			n.open(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
				generatePath, len(large), large))
		}
		assert.Equal(t, http.StatusOK, n.post(t, 9*mebibyte))
	})
}

// Requests that together are too large end in time, even when each has sent a part and waits to send the rest.
func TestLargeRequestsTogether(t *testing.T) {
	serveHooks(t, func(t *testing.T, n *network) {
		begin := time.Now()
		var clients sync.WaitGroup
		answers := make(chan int, 12)
		for range cap(answers) {
			clients.Go(func() { answers <- n.post(t, 9*mebibyte) })
		}
		clients.Wait()
		close(answers)
		count := map[int]int{}
		for status := range answers {
			count[status]++
		}
		assert.Less(t, time.Since(begin), 5*time.Second, "%v", count)
		// If each kept its part and waited for the rest, none would ever be answered.
		assert.Positive(t, count[http.StatusOK], "%v", count)
		assert.Equal(t, http.StatusOK, n.post(t, 9*mebibyte), "one more, when there is room again")
	})
}

// A body that does not arrive is cut off long before Cluster API gives up, even when nobody needs its room.
func TestSlowBodiesAreCutOff(t *testing.T) {
	serveHooks(t, func(t *testing.T, n *network) {
		begin := time.Now()
		connection := n.open(t,
			fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", generatePath, 10*mebibyte))
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
}

// A client that sends slowly but steadily is served.
func TestSteadyBodiesAreServed(t *testing.T) {
	serveHooks(t, func(t *testing.T, n *network) {
		const pieces = 150
		connection := n.open(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
			generatePath, 2+pieces*10<<10))
		for range pieces {
			_, err := io.WriteString(connection, strings.Repeat(" ", 10<<10))
			require.NoError(t, err)
			<-time.After(10 * time.Millisecond)
		}
		_, err := io.WriteString(connection, "{}")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	})
}

// A Cluster has one template of each kind, so an answer cannot be many times as large as its request.
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
