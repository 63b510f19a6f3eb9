"""The command `hourglass`. Subcommands live in gateway/commands_*.py and are imported when they are asked for.

An error of the user is one line on stderr and an exit code; a traceback is a defect of the program.
"""

import importlib
import importlib.util
import sys

import click

from gateway.failures import Failure, as_failure

# Name of the subcommand: its module and the click command in it.
SUBCOMMANDS = {
    "admin": ("gateway.commands_admin", "admin"),
    "apply": ("gateway.commands_apply", "apply"),
    "bot": ("gateway.commands_bot", "bot"),
    "catalogue": ("gateway.commands_catalogue", "catalogue"),
    "default": ("gateway.commands_default", "default"),
    "demo": ("gateway.demo", "demo"),
    "journal": ("gateway.commands_journal", "journal"),
    "keys": ("gateway.commands_keys", "keys"),
    "margin": ("gateway.commands_margin", "margin"),
    "replay": ("gateway.commands_replay", "replay"),
    "sandbox": ("gateway.demo", "sandbox"),
    "serve": ("gateway.commands_serve", "serve"),
    "statement": ("gateway.commands_statement", "statement"),
}
OPTIONAL = ("demo", "sandbox")

HELP = """Hourglass, an exchange for time-window compute.

\b
Examples:
  hourglass sandbox
  hourglass serve --journal ./journal --keys keys.json --setup venue.jsonl
  hourglass admin ./journal halts.jsonl
  hourglass bot buyer --help
  hourglass apply scenario.jsonl
  hourglass replay ./journal --verify
  hourglass journal ./journal --from 100 --to 120
  hourglass statement ./journal ann
  hourglass margin ./journal ann
  hourglass default ./journal 1

\b
Exit codes:
  0   done
  1   a noted state hash or a statement does not match, or an administrative command was refused
  2   wrong usage
  65  the journal or an input file is damaged; the place is told
  66  there is no such journal or file
  69  the compiled core is not built
  70  the engine contradicted itself; the journal is the evidence
  75  writing to the journal failed, or another process has it: try again later
  78  the configuration or the key file cannot be used
"""


class Subcommands(click.Group):
    """A group that imports a subcommand when it is used."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of the subcommands that are installed."""
        return [name for name in SUBCOMMANDS if name not in OPTIONAL or _is_installed(SUBCOMMANDS[name][0])]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a subcommand, or None when there is none of this name."""
        if name not in self.list_commands(context):
            return None
        module, attribute = SUBCOMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, context: click.Context) -> object:
        """Run the subcommand; what is expected to go wrong becomes one line and an exit code."""
        try:
            return super().invoke(context)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            failure = as_failure(error)
            if failure is None:
                raise
            raise failure from error


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@click.group(cls=Subcommands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hourglass", prog_name="hourglass")
def main() -> None:
    """Run the command line."""
    if not __debug__:
        raise Failure("python -O removes the checks this program relies on; run it without", 2)


if __name__ == "__main__":
    sys.exit(main())
