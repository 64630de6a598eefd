"""Detection: what gives away CI, a coding agent and a container. Closed lists with their sources, and nothing else."""

from __future__ import annotations

# Variables that announce CI without saying whose: those of `isCI` in npm's ci-info 4.4.0 (MIT), index.js.
ANY_CI = (
    *("BUILD_ID", "BUILD_NUMBER", "CI", "CI_APP_ID", "CI_BUILD_ID", "CI_BUILD_NUMBER", "CI_NAME"),
    *("CONTINUOUS_INTEGRATION", "RUN_ID"),
)

# Vendor by the variable it sets: those of ci-info 4.4.0, vendors.json, whose presence alone decides, and that of
# rwx.com/docs/environment-variables. ci-info wants BUILD_ID beside JENKINS_URL; the latter alone is CI here.
CI_VENDORS = {
    "AC_APPCIRCLE": "appcircle",
    "AGOLA_GIT_REF": "agola",
    "ALPIC_HOST": "alpic",
    "APPCENTER_BUILD_ID": "appcenter",
    "APPVEYOR": "appveyor",
    "BITBUCKET_COMMIT": "bitbucket",
    "BITRISE_IO": "bitrise",
    "BUDDY_WORKSPACE_ID": "buddy",
    "BUILDER_OUTPUT": "google-cloud-build",
    "BUILDKITE": "buildkite",
    "CF_BUILD_ID": "codefresh",
    "CF_PAGES": "cloudflare-pages",
    "CIRCLECI": "circleci",
    "CIRRUS_CI": "cirrus",
    "CI_XCODE_PROJECT": "xcode-cloud",
    "CM_BUILD_ID": "codemagic",
    "CODEBUILD_BUILD_ARN": "codebuild",
    "DRONE": "drone",
    "DSARI": "dsari",
    "EARTHLY_CI": "earthly",
    "EAS_BUILD": "eas",
    "GERRIT_PROJECT": "gerrit",
    "GITEA_ACTIONS": "gitea",
    "GITHUB_ACTIONS": "github",
    "GITLAB_CI": "gitlab",
    "GO_PIPELINE_LABEL": "gocd",
    "HARNESS_BUILD_ID": "harness",
    "HUDSON_URL": "hudson",
    "JENKINS_URL": "jenkins",
    "LAYERCI": "layerci",
    "MAGNUM": "magnum",
    "NETLIFY": "netlify",
    "NEVERCODE": "nevercode",
    "NOW_BUILDER": "vercel",
    "PROW_JOB_ID": "prow",
    "RELEASE_BUILD_ID": "releasehub",
    "RENDER": "render",
    "RWX": "rwx",
    "SAILCI": "sail",
    "SCREWDRIVER": "screwdriver",
    "SEMAPHORE": "semaphore",
    "STRIDER": "strider",
    "TEAMCITY_VERSION": "teamcity",
    "TF_BUILD": "azure-pipelines",
    "TRAVIS": "travis",
    "VELA": "vela",
    "VERCEL": "vercel",
    "WORKERS_CI": "cloudflare-workers",
    "XCS": "xcode-server",
    "bamboo_planKey": "bamboo",
}
CI_NAMES = frozenset(ANY_CI).union(CI_VENDORS)

# Variables that coding agents set for the commands they run. What a person may set too is not among them: an editor's
# (CURSOR_TRACE_ID, REPL_ID), an agent's settings (COPILOT_MODEL, GOOSE_PROVIDER), and AGENT, which means many things.
AGENTS = (
    "AI_AGENT",  # any agent: the README of @vercel/detect-agent 1.2.3, std-env 4.2.0
    "ANTIGRAVITY_AGENT",  # Antigravity: @vercel/detect-agent
    "AUGMENT_AGENT",  # Auggie: @vercel/detect-agent, std-env
    "CLAUDECODE",  # Claude Code: code.claude.com/docs/en/env-vars
    "CLINE_ACTIVE",  # Cline: VscodeTerminalRegistry.ts
    "CODEX_CI",  # Codex: openai/codex#9366
    "CODEX_SANDBOX",  # Codex: @vercel/detect-agent, std-env
    "CODEX_THREAD_ID",  # Codex: protocol/src/shell_environment.rs
    "COPILOT_AGENT",  # Copilot in VS Code: microsoft/vscode#316267
    "CRUSH",  # Crush: internal/shell/shell.go
    "CURSOR_AGENT",  # Cursor: its documentation of the terminal, std-env
    "GEMINI_CLI",  # Gemini CLI: docs/tools/shell.md
    "GOOSE_TERMINAL",  # goose: its developer extension's shell
    "OPENCODE",  # OpenCode: anomalyco/opencode#32689, std-env
    "PI_CODING_AGENT",  # pi: coding-agent/src/cli.ts
    "QWEN_CODE",  # Qwen Code: core/src/services/shellExecutionService.ts
)

# What gives a container away, in order: the sort of sign, the sign, and the kind of container. A file may be empty.
CONTAINERS = (
    ("variable", "KUBERNETES_SERVICE_HOST", "kubernetes"),  # kubernetes.io: Accessing the Kubernetes API from a Pod
    ("file", "/.dockerenv", "docker"),  # Docker: moby/moby, daemon/initlayer
    ("file", "/run/.containerenv", "podman"),  # Podman: podman-run(1)
    ("variable", "container", "other"),  # systemd.io/CONTAINER_INTERFACE, obeyed by LXC, nspawn, Flatpak and others
    ("node", "buildkitsandbox", "other"),  # BuildKit's build steps, unless named otherwise: executor/oci/hosts.go
)
