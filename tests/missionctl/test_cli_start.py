"""A command that is called alone is what it is among all the others."""

import click
import pytest
from typer.main import get_group

from missionctl.cli import main as cli


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_each_module_holds_the_command_of_its_name(name):
    alone = get_group(cli._commands_for([name, "--help"]))
    assert name in alone.commands


def test_anything_else_sees_all_commands():
    for words in ([], ["--help"], ["mosiac"]):
        assert set(cli._COMMANDS) <= set(get_group(cli._commands_for(words)).commands)


def test_the_help_of_a_command_names_the_program(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["anything", "mosaic", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert click.unstyle(capsys.readouterr().out).startswith("Usage: missionctl mosaic ")
