#!/usr/bin/env bash
# Claude Code, and a configuration of MCP servers that is used only when a session asks for it.
. "$(dirname "$0")/lib.sh"

say "Claude Code $CLAUDE_CODE_VERSION"
if [ "$(claude --version 2>/dev/null | cut -d' ' -f1)" != "$CLAUDE_CODE_VERSION" ]; then
  integrity=CLAUDE_CODE_LINUX_${ARCH_NODE^^}_INTEGRITY
  npm_checked @anthropic-ai/claude-code "$CLAUDE_CODE_VERSION" "$CLAUDE_CODE_INTEGRITY"
  npm_checked "@anthropic-ai/claude-code-linux-$ARCH_NODE" "$CLAUDE_CODE_VERSION" "${!integrity}"
  npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error "@anthropic-ai/claude-code@$CLAUDE_CODE_VERSION"
fi
claude --version
put etc/devctl/claude/mcp.json
