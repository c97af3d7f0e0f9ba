package diagnostics

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// crowd is a listener that keeps at most limit connections. When one more arrives, it closes the one that has been
// inactive for longest, be it silent, idle or slow. So clients that hold connections open cannot lock others out.
type crowd struct {
	net.Listener
	limit int
	lock  sync.Mutex
	// members are the connections, with the most recently active at the back.
	members list.List
}

// member is a connection of a crowd.
type member struct {
	net.Conn
	crowd *crowd
	// place is nil once the connection has left; the crowd's lock guards it.
	place *list.Element
}

func limitConnections(listener net.Listener, limit int) *crowd {
	return &crowd{Listener: listener, limit: limit}
}

// Accept returns the next connection.
func (c *crowd) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	joins := &member{Conn: connection, crowd: c}
	if leaves := c.join(joins); leaves != nil {
		_ = leaves.Conn.Close() // below TLS, whose Close would wait to send its alert
	}
	return joins, nil
}

// join adds a connection, and returns the one to close in exchange, or nil.
func (c *crowd) join(joins *member) (leaves *member) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.members.Len() >= c.limit {
		leaves, _ = c.members.Remove(c.members.Front()).(*member)
		leaves.place = nil
	}
	joins.place = c.members.PushBack(joins)
	return leaves
}

// changed is http.Server's ConnState hook; it marks a connection as the most recently active.
func (c *crowd) changed(connection net.Conn, _ http.ConnState) {
	if secure, ok := connection.(*tls.Conn); ok {
		connection = secure.NetConn()
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if m, ok := connection.(*member); ok && m.place != nil {
		c.members.MoveToBack(m.place)
	}
}

// Close ends the connection.
func (m *member) Close() error {
	m.crowd.lock.Lock()
	if m.place != nil {
		m.crowd.members.Remove(m.place)
		m.place = nil
	}
	m.crowd.lock.Unlock()
	return m.Conn.Close()
}
