package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root = "../../.."
	// own begins links from elsewhere to files of this repository.
	own = "https://github.com/gorizond/capi-vip-allocator/blob/main/"
)

var (
	fenced = regexp.MustCompile("(?s)(?:^|\n) *```[^\n]*(?:\n.*?)??\n *```")
	inline = regexp.MustCompile("`[^`\n]*`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)`)
)

// pages returns the Markdown files of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return nil
	}))
	return found
}

// links returns the targets of a page's links, except for those in code.
func links(text string) []string {
	text = fenced.ReplaceAllString(text, "")
	// Backquotes within a link's text stay; only links that are code as a whole go.
	text = inline.ReplaceAllStringFunc(text, func(code string) string {
		return strings.NewReplacer("[", "", "]", "", "(", "", ")", "").Replace(code)
	})
	var found []string
	for _, match := range link.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// anchors returns the anchors of a page's headings as GitHub makes them: lower case, without punctuation, dashes for
// spaces, numbered when they repeat.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	text = fenced.ReplaceAllString(text, "")
	for _, match := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(text, -1) {
		title := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(match[1], "$1")
		anchor := strings.ReplaceAll(
			regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-",
		)
		unique := anchor
		for i := 1; found[unique]; i++ {
			unique = anchor + "-" + strconv.Itoa(i)
		}
		found[unique] = true
	}
	return found
}

func TestAnchors(t *testing.T) {
	assert.Equal(t, map[string]bool{
		"a-title": true, "a-title-1": true, "poolnotfound": true, "what-it-does-not-do": true, "быстрый-старт": true,
		"1-begin": true,
	},
		anchors("# A title\n## A title\n### `PoolNotFound`\n## [What it does not do](x.md)\n# Быстрый старт\n"+
			"# 1. Begin\n```sh\n# no title\n```\n"))
}

// TestLinks follows every link in the Markdown files that stays in this repository, down to the heading.
func TestLinks(t *testing.T) {
	checked, toHeadings := 0, 0
	for _, page := range pages(t) {
		for _, target := range links(read(t, page)) {
			path, anchor, _ := strings.Cut(target, "#")
			switch {
			case strings.HasPrefix(path, own):
				path = filepath.Join(root, strings.TrimPrefix(path, own))
			case strings.Contains(path, "://"), strings.HasPrefix(path, "mailto:"):
				continue
			case path == "":
				path = page
			default:
				path = filepath.Join(filepath.Dir(page), path)
			}
			checked++
			if _, err := os.Stat(path); !assert.NoError(t, err, "%s links to %s", page, target) || anchor == "" {
				continue
			}
			toHeadings++
			assert.True(t, anchors(read(t, path))[anchor], "%s links to %s: there is no such heading", page, target)
		}
	}
	assert.Greater(t, checked, 100, "the test must find the links")
	assert.Greater(t, toHeadings, 20, "the test must find the links to headings")
}

// TestIndex checks that every page can be reached from the index and leads back to it.
func TestIndex(t *testing.T) {
	for dir, back := range map[string]string{"docs": "(README.md)", "docs/adr": ""} {
		index := links(read(t, filepath.Join(root, dir, "README.md")))
		files, err := filepath.Glob(filepath.Join(root, dir, "*.md"))
		require.NoError(t, err)
		for _, file := range files {
			if filepath.Base(file) == "README.md" {
				continue
			}
			assert.Contains(t, index, filepath.Base(file), "%s/README.md does not list it", dir)
			if !strings.Contains(read(t, file), back) {
				t.Errorf("%s does not lead back to the index", file)
			}
		}
	}
}

// TestTranslations compares the Russian README with the English one: they link to each other and have the same number
// of headings and the same code.
func TestTranslations(t *testing.T) {
	english, russian := read(t, root+"/README.md"), read(t, root+"/README.ru.md")
	assert.Contains(t, links(english), "README.ru.md")
	assert.Contains(t, links(russian), "README.md")
	assert.Len(t, anchors(russian), len(anchors(english)), "the headings")
	blocks := func(text string) []string {
		var found []string
		for _, block := range fenced.FindAllString(text, -1) {
			// Comments are translated.
			found = append(found, regexp.MustCompile(`(?m) *#.*$`).ReplaceAllString(block, ""))
		}
		return found
	}
	assert.Equal(t, blocks(english), blocks(russian), "the code")
}
