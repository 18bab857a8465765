package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
)

// scripts ask the program itself what can follow, with the flag library's own flag.
var scripts = map[string]string{
	"bash": `_dynamo() {
  local words=("${COMP_WORDS[@]:0:$COMP_CWORD}") cur="${COMP_WORDS[COMP_CWORD]}"
  [[ "$cur" == -* ]] && words+=("$cur")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _dynamo dynamo
`,
	"zsh": `#compdef dynamo
_dynamo() {
  local -a opts
  local cur="${words[-1]}"
  if [[ "$cur" == -* ]]; then
    opts=("${(@f)$(${words[@]:0:#words[@]-1} ${cur} --generate-bash-completion 2>/dev/null)}")
  else
    opts=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  fi
  _describe 'values' opts
}
compdef _dynamo dynamo
`,
	"fish": `function __dynamo
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  string match -q -- '-*' $cur; and set words $words $cur
  $words --generate-bash-completion 2>/dev/null
end
complete -c dynamo -f -a '(__dynamo)'
`,
	"powershell": `Register-ArgumentCompleter -Native -CommandName dynamo -ScriptBlock {
  param($word, $ast, $position)
  $words = $ast.CommandElements | ForEach-Object { $_.ToString() }
  if (-not $word.StartsWith('-') -and $word) { $words = $words[0..($words.Count - 2)] }
  $rest = @($words | Select-Object -Skip 1) + '--generate-bash-completion'
  & $words[0] @rest | Where-Object { $_ -like "$word*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`,
}

func completionCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a completion script for a shell",
		UsageText:    "source <(dynamo completion bash)",
		ArgsUsage:    "bash|zsh|fish|powershell",
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return badUsage("dynamo completion bash|zsh|fish|powershell", "name one shell")
			}
			_, err := io.WriteString(s.Out, script)
			return err
		},
	}
}
