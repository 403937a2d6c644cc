"""The command line: paths arrive as they were typed, null is a choice, and what Hydra refuses is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from icnet.arguments import add_folds, explain, quote, read_arguments, read_value, suggest
from icnet.config import check_config
from icnet.errors import ConfigError
from icnet.files import conf_folder

AWKWARD = [
    "f[0-9].jpg", "/home/jürgen/x.png", "run(1)", "a&b", "it's", "#1.png", "x=y", "/d/a,b", "2024", "1e5", "true", "a{b}c",
    "my run (1), it's ü=#&~x/best.ckpt", "back\\", "C:\\x\\'", "a: b", 'say "hi"', "https://x.org/a.pth?b=c&d=e", "a%20b!",
]  # fmt: skip
PLAIN = ["/plain/path_1.x", "-m", "with space", "null"]


def read(*arguments: str) -> list[str]:
    return read_arguments(arguments)


def compose_typed(*arguments: str) -> DictConfig:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", read(*arguments), return_hydra_config=True)


@pytest.mark.parametrize("value", [*AWKWARD, *PLAIN])
def test_a_quoted_text_reads_back_as_it_was(value: str) -> None:
    assert read_value(f"key={quote(value)}") == value


@pytest.mark.parametrize("path", AWKWARD)
@pytest.mark.parametrize("key", ["data.root", "source", "task.weights", "hydra.run.dir", "+task.predictions", "++ckpt"])
def test_a_path_arrives_as_it_was_typed(key: str, path: str) -> None:
    once = read(f"{key}={path}")
    assert read_value(once[0]) == path
    assert read(*once) == once, "as a process that Lightning starts reads it again"


@pytest.mark.parametrize(
    "argument",
    ["ckpt=null", "ckpt=", "ckpt=[]", "data.packed=???", "source='f,1'", 'data.root="a b"', "data.root=/plain/path",
     "seed=3", "~ckpt", "optimizer.lr=1e-3", "trainer.max_steps=0x", "data.crop_size=[1,2]", "-m"],
)  # fmt: skip
def test_what_is_plain_quoted_or_no_path_stays_as_it_is(argument: str) -> None:
    assert read(argument) == [argument]


@pytest.mark.parametrize(
    "given", [["task.folds=5"], ["task=evaluate", "task.folds=5"], ["-m", "sweep=folds", "task.folds=5"]]
)
def test_folds_are_a_sweep_of_trainings_but_for_its_jobs(given: list[str]) -> None:
    asked = add_folds([*given, "data=mine"])
    assert asked == ["-m", "task.folds=5", "data=mine", "sweep=folds"]
    assert add_folds(asked) == asked
    job = [*asked[1:], "data.fold=0", "sweep.name=x"]
    assert add_folds(job) == job
    assert add_folds(["task=evaluate"]) == ["task=evaluate"]


def test_a_path_may_refer_to_other_settings() -> None:
    config = compose_typed("name=x", "data.packed=${name} (1)/${data.name}", "data=camvid")
    assert config.data.packed == "x (1)/camvid"


def test_several_checkpoints_stay_a_list_whose_paths_are_as_typed() -> None:
    once = read("ckpt=[a(1).ckpt, ~/ü.ckpt]")
    assert read_value(once[0]) == ["a(1).ckpt", str(Path("~/ü.ckpt").expanduser())]
    assert read(*once) == once
    assert read("ckpt=['a,b',c]") == ["ckpt=['a,b',c]"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [("0016E5", "0016E5"), ("[0016E5, 0006R0]", ["0016E5", "0006R0"]), ("2024", "2024"), ("null", None)],
)
def test_a_group_is_a_text_however_it_looks(argument: str, value: object) -> None:
    once = read(f"data.holdout={argument}")
    assert read_value(once[0]) == value
    assert read(*once) == once
    assert read("-m", "data.holdout=0016E5,2024")[1] == "data.holdout='0016E5','2024'"


def test_the_home_folder_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read("--config-dir=~/conf", "data.root=~/data", "hydra.sweep.dir=~/s", "name=~x") == [
        "--config-dir=/home/me/conf", "data.root=/home/me/data", "hydra.sweep.dir=/home/me/s", "name=~x",
    ]  # fmt: skip


def test_what_lightning_tells_its_further_processes_is_the_same_folder() -> None:
    folder = "/runs/my run (1), it's ü=#&~x"
    assert read_value(read(f'hydra.run.dir="{folder}"')[0]) == folder


def test_a_comma_in_a_sweep_is_refused_with_both_forms_to_paste() -> None:
    with pytest.raises(ConfigError) as caught:
        read("-m", "data.root=/d/it's,b")
    _, one, _, several, _ = str(caught.value).split('"')
    assert read_value(read("-m", one)[1]) == "/d/it's,b"
    (sweep,) = OverridesParser.create().parse_overrides(read("-m", several)[1:])
    assert list(sweep.sweep_string_iterator()) == ["'/d/it\\'s'", "'b'"]
    assert read_value(read("data.root=/d/it's,b")[0]) == "/d/it's,b", "one run has one path"


@pytest.mark.parametrize(
    "argument", ["hydra.sweep.dir='/d/a,b'", "data.root='/a','/b'", "ckpt=choice(a,b)", "source='${oc.env:A,b}/x'"]
)
def test_a_sweep_that_is_clear_is_taken(argument: str) -> None:
    assert (
        read("-m", argument.replace("'", "") if "oc.env" in argument or "hydra" in argument else argument)[1]
        == argument
    )


def test_null_chooses_nothing_where_a_run_can_do_without() -> None:
    for group in ("logger", "callbacks", "experiment"):
        for argument in (f"{group}=null", f"{group}=NULL", f"~{group}"):
            config = compose_typed(argument)
            check_config(config)
            assert not config.get(group)
    for argument in ("strategy=null", "sweep=null", "~sweep"):
        check_config(compose_typed(argument))


def test_no_schedule_is_a_constant_rate() -> None:
    config = compose_typed("scheduler=null", "data=camvid")
    check_config(config)
    assert (config.scheduler.power, config.scheduler.warmup_steps) == (0.0, 100)


@pytest.mark.parametrize("data", ["folder", "list", "camvid"])
def test_without_a_table_the_classes_are_named_on_the_command_line(data: str) -> None:
    names = ("data.classes.names=[a,b]", "data.classes.colors=[[1,2,3],[4,5,6]]")
    config = compose_typed(f"data={data}", "data/classes=null", *names)
    check_config(config)
    assert dict(config.data.classes) == {
        "_target_": "icnet.data.labels.ClassTable", "names": ["a", "b"], "colors": [[1, 2, 3], [4, 5, 6]], "ignored_ids": [],
        "form": None,
    }  # fmt: skip


@pytest.mark.parametrize("group", ["task", "model", "backbone", "module", "trainer", "data", "loss", "optimizer"])
def test_null_for_what_a_run_needs_names_the_choices(group: str) -> None:
    for argument in (f"{group}=null", f"~{group}"):
        with pytest.raises(Exception, match=f"You must specify '{group}'") as caught:
            compose_typed(argument, "data=camvid" if group != "data" else "seed=1")
        (line,) = explain(caught.value, read(argument))
        assert all(path.stem in line for path in (conf_folder() / group).glob("*.yaml"))
        assert "\n" not in line


def test_null_may_be_one_of_the_choices_of_a_sweep() -> None:
    assert read("-m", "callbacks=null,ema", "logger=[csv,wandb],null") == [
        "-m", "callbacks=[],ema", "logger=[csv,wandb],[]",
    ]  # fmt: skip


def refused(*arguments: str) -> list[str]:
    with pytest.raises(Exception) as caught:
        compose_typed(*arguments)
    return list(explain(caught.value, read(*arguments)))


def test_what_hydra_refuses_keeps_its_words_in_one_line() -> None:
    assert refused("optimizer=sdg") == [
        "In 'recipe/streets': Could not find 'optimizer/sdg' Available options in 'optimizer': "
        "adamw adamw_short sgd sgd_32 sgd_512"
    ]
    assert refused("trainer.max_stesp=3") == [
        "Could not override 'trainer.max_stesp'. To append to your config use +trainer.max_stesp=3 "
        "Key 'max_stesp' is not in struct",
        "trainer.max_stesp is not a setting: did you mean trainer.max_steps?",
    ]
    assert refused("+data=camvid", "=3")[0] == "Config group override must be a string or a list. Got int"


def test_a_text_that_the_grammar_cannot_read_is_shown_in_quotes() -> None:
    assert refused("name=jürgen")[1:] == ["in quotes it is a text: \"name='jürgen'\""]
    assert compose_typed("name='jürgen'").name == "jürgen"
    assert len(refused("trainer.max_steps")) == 1


def test_a_fault_in_a_file_of_the_configuration_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1\n b: 2\n")
    with pytest.raises(Exception) as caught:
        OmegaConf.load(tmp_path / "x.yaml")
    assert list(explain(caught.value, [])) == [
        f"{tmp_path}/x.yaml, line 2: mapping values are not allowed here: mend the file"
    ]


def test_quotes_that_do_not_close_are_named() -> None:
    with pytest.raises(HydraException, match=r"LexerNoViableAltException: task\.resume='it's'"):
        read_value("task.resume='it's'")


def test_an_option_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"unrecognized arguments: --config-dri=x .*see --hydra-help"):
        read("--config-dri=x", "seed=1")


def test_a_setting_that_hydra_refuses_gets_a_suggestion() -> None:
    said = list(suggest(["data=camvid", "data.croop_size=[3,3]", "trainer.max_step=5"]))
    assert said == [
        "data.croop_size is not a setting: did you mean data.crop_size?",
        "trainer.max_step is not a setting: did you mean trainer.max_steps?",
    ]


def test_a_right_command_line_gets_no_suggestion() -> None:
    assert list(suggest(["optimizer.lr=0.1", "experiment=icnet_camvid"])) == []


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_login_of_a_stream_reaches_the_run_but_not_what_hydra_writes_down(
    quote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICNET_SOURCE", "")
    address = "rtsp://me:se(cr,et@host/a b"
    once = read("-m", f"source={quote}{address}{quote}")
    assert once == ["-m", "source='${oc.env:ICNET_SOURCE}'"]
    assert read(*once) == once, "as a process that Lightning starts reads it again"
    assert compose_typed(once[1]).source == address
    assert read("source=rtsp://${oc.env:LOGIN}@host") == ["source='rtsp://${oc.env:LOGIN}@host'"]


def test_a_recipe_is_chosen_by_its_name_alone() -> None:
    assert read_arguments(["recipe=cityscapes"]) == ["recipe@_global_=cityscapes"]
    assert read_arguments(["recipe=null"]) == ["recipe@_global_=[]"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", read_arguments(["data=folder", "recipe=cityscapes"]))
    assert config.trainer.max_epochs == 160
