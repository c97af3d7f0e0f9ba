package options

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRuntimeExtension(t *testing.T) {
	tests := map[string]struct {
		args  []string
		file  string
		env   LookupEnv
		on    bool
		wants string
	}{
		"if nothing is said, should be off":           {},
		"if the flag is given, should be on":          {args: []string{"--runtime-extension"}, on: true},
		"if the file says so, should be on":           {file: "runtimeExtension: true\n", on: true},
		"if the file says so in quotes, should be on": {file: "runtimeExtension: \"true\"\n", on: true},
		"if the flag says otherwise than the file, should win": {
			file: "runtimeExtension: true\n", args: []string{"--runtime-extension=false"},
		},
		"if the file has something else, should be refused": {
			file: "runtimeExtension: [yes]\n", wants: `runtimeExtension in `,
		},
		"if there is no port, should be refused": {
			args: []string{"--runtime-extension", "--webhook-port=0"}, on: true,
			wants: "the runtime extension is served there",
		},
		"if it runs outside of a pod without a URL, should say so": {
			args: []string{"--runtime-extension", "--leader-elect=false"}, env: env(), on: true,
			wants: "--runtime-extension-url",
		},
		"if it runs outside of a pod with a URL, should accept it": {
			args: []string{"--runtime-extension", "--leader-elect=false", "--runtime-extension-url=https://h:1"},
			env:  env(), on: true,
		},
		"if the URL is plain HTTP, should be refused": {
			args: []string{"--runtime-extension-url=http://h:1"}, wants: "https://10.0.0.1:9443",
		},
		"if the URL carries a password, should be refused": {
			args: []string{"--runtime-extension-url=https://a:b@h"}, wants: "--runtime-extension-url",
		},
		"if the owner is empty, should be refused": {
			args: []string{"--runtime-extension-owner="}, wants: "the name of a ClusterRole",
		},
		"if it is off, should not judge what only it would need": {
			args: []string{"--webhook-port=0", "--leader-elect=false"}, env: env(),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.file != "" {
				test.args = append(test.args, "--config="+writeFile(t, "config.yaml", test.file))
			}
			if test.env == nil {
				test.env = inPod()
			}
			o, err := given(t, test.env, test.args...)
			require.NoError(t, err)
			require.Equal(t, test.on, o.RuntimeExtension.Enabled)
			if test.wants == "" {
				require.NoError(t, o.Validate())
			} else {
				require.ErrorContains(t, o.Validate(), test.wants)
			}
		})
	}
}
