package ui

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// axe is the accessibility audit (axe-core, MPL-2.0, as published).
//
//go:embed testdata/axe-4.11.0.min.js
var axe string

const (
	// patience bounds every wait.
	patience = 2 * time.Minute
	wide     = 1280
	tall     = 900
	narrow   = 360
	// The documentation shows its pictures in columns of text.
	photoWide = 1000
	photoTall = 720
)

// browser is a window that shows the pages, and everything that went wrong in it.
type browser struct {
	t       *testing.T
	ctx     context.Context //nolint:containedctx // it is the window: chromedp knows it by its context
	address *url.URL

	mutex  sync.Mutex
	wrongs []string
}

// program finds a browser. Without one it skips the test, or fails it under make test-ui.
func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("BROWSER_REQUIRED") != "" {
		t.Fatal("no browser is found: install chromium")
	}
	t.Skip("no browser is found: install chromium")
	return ""
}

// pages starts kubectl vip ui and returns the address that it prints, and a function that stops it, at the latest
// with the test.
func pages(t *testing.T, kubeconfig string) (*url.URL, func() int) {
	t.Helper()
	address, stop, err := harness.StartUI(kubeconfig, t.Output())
	require.NoError(t, err)
	stop = sync.OnceValue(stop)
	t.Cleanup(func() { assert.Equal(t, kubectlvip.ExitFine, stop()) })
	return address, stop
}

// open opens a window at the address.
func open(t *testing.T, address *url.URL) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program(t)), chromedp.NoSandbox,
		chromedp.WindowSize(wide, tall))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, address: address}
	chromedp.ListenTarget(ctx, b.listen)
	require.NoError(t, chromedp.Run(ctx), "the browser ends with the context that starts it")
	b.do(network.Enable(), log.Enable(), chromedp.Navigate(address.String()), chromedp.WaitVisible(`nav`))
	return b
}

// listen records what must not happen: errors, and requests to other hosts.
func (b *browser) listen(event any) {
	wrong := func(format string, args ...any) {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.wrongs = append(b.wrongs, fmt.Sprintf(format, args...))
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if to, err := url.Parse(e.Request.URL); err != nil || to.Scheme != "data" && to.Host != b.address.Host {
			wrong("a request to %s", e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		wrong("an exception: %s", e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			for _, argument := range e.Args {
				wrong("the console says %s", argument.Value)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			wrong("an error: %s %s", e.Entry.Text, e.Entry.URL)
		}
	}
}

// do runs browser actions and waits until they are done.
func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Run(ctx, actions...))
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate("http://"+b.address.Host+path), chromedp.WaitReady(`footer`))
}

// text returns the text of the page.
func (b *browser) text() string {
	b.t.Helper()
	var text string
	b.do(chromedp.Evaluate(`document.getElementById("main").innerText`, &text))
	return text
}

// foot returns the text at the end of the page.
func (b *browser) foot() string {
	b.t.Helper()
	var text string
	b.do(chromedp.Text(`footer`, &text))
	return text
}

// awaits waits until a text appears on the page or disappears from it.
func (b *browser) awaits(text string, there bool) {
	b.t.Helper()
	condition := fmt.Sprintf(`document.getElementById("main").innerText.includes(%q) === %t`, text, there)
	b.do(chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(patience)))
}

// audited is what axe looks at: only the first rows of a map and a table. The others are made the same way, and axe
// looks for everything behind each text, which would take minutes.
const audited = `{include: [["html"]], exclude: [[".map .cells:nth-child(n + 9)"], ["tbody tr:nth-child(n + 9)"]]}`

// audit looks for what keeps people from using the page, and saves a picture of it.
func (b *browser) audit(name string) {
	b.t.Helper()
	var found []string
	began := time.Now()
	b.do(chromedp.Evaluate(axe+"; null", nil), chromedp.Evaluate(`axe
		.run(`+audited+`, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}})
		.then((r) => r.violations.filter((v) => ["serious", "critical"].includes(v.impact))
		.map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; ")))`, &found,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	assert.Empty(b.t, found, "axe finds this on %s", name)
	b.t.Logf("axe took %s for %s", time.Since(began).Round(time.Millisecond), name)
	b.picture(name)
}

// picture saves a picture of the window, if requested.
func (b *browser) picture(name string) { b.keep("SCREENSHOTS", name) }

// photo takes a picture for the documentation, if requested: of the whole page unless it is too long.
func (b *browser) photo(name string) {
	if os.Getenv("PICTURES") == "" {
		return
	}
	var height int64
	b.do(chromedp.EmulateViewport(photoWide, 1), chromedp.Evaluate(`document.scrollingElement.scrollHeight`, &height))
	b.do(chromedp.EmulateViewport(photoWide, min(height, photoTall)))
	b.keep("PICTURES", name)
	b.do(chromedp.EmulateViewport(wide, tall))
}

// keep writes a picture of the window to the folder that an environment variable names, if it is set.
func (b *browser) keep(folder, name string) {
	b.t.Helper()
	folder = os.Getenv(folder)
	if folder == "" {
		return
	}
	var picture []byte
	b.do(chromedp.CaptureScreenshot(&picture))
	require.NoError(b.t,
		errors.Join(os.MkdirAll(folder, 0o750), os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600)))
}

// fine checks that nothing has gone wrong so far.
func (b *browser) fine() {
	b.t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	assert.Empty(b.t, b.wrongs)
}

// fits checks that the page needs no sideways scrolling on a narrow screen.
func (b *browser) fits(name string) {
	b.t.Helper()
	var width int
	b.do(chromedp.EmulateViewport(narrow, tall), chromedp.Evaluate(`document.scrollingElement.scrollWidth`, &width))
	assert.LessOrEqual(b.t, width, narrow, "%s is wider than the window", name)
	b.audit(name + "-narrow")
	b.do(chromedp.EmulateViewport(wide, tall))
}

// inTheDark looks at the page as people with dark colours see it.
func (b *browser) inTheDark(name string) {
	b.t.Helper()
	scheme := func(value string) chromedp.Action {
		return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: value},
		})
	}
	b.do(scheme("dark"))
	b.audit(name + "-dark")
	b.do(scheme("light"))
}
