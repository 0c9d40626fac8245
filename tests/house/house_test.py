"""The house's own tools: check-layers catches what it says it catches, rfc-index finds marks (ctest label house)."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / "tools" / "check-layers"


def run(*command):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class CheckLayers(unittest.TestCase):
    """Each test makes a small clean tree, spoils one thing, and wants exactly that named."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("docs/layers.tsv", (ROOT / "docs/layers.tsv").read_text())
        self.write("docs/doors.tsv", "clock\tsrc/core/clock.cpp\tthe door\n")
        self.write("src/core/result.hpp", "#include <expected>\n")
        self.write("src/core/await.hpp", "#include <boost/asio/awaitable.hpp>\n")
        self.write("src/core/clock.cpp", "auto t = std::chrono::steady_clock::now();\n")
        self.write("src/mail/path.hpp", '#include <fmt/format.h>\n#include "core/result.hpp"\n')
        self.write("src/smtp/session.cpp", '#include "mail/path.hpp"\n')
        self.write("src/pop3/session.hpp", '#include "core/result.hpp"\n')
        self.write("src/net/asio_stream.cpp", "#include <openssl/ssl.h>\n#include <boost/asio/write.hpp>\n")
        self.write("src/cli/main.cpp", '#include <CLI/CLI.hpp>\n#include "smtp/session.hpp"\n')
        self.write("src/smtp/session.hpp", "")
        for room in ("core", "mail", "smtp", "pop3", "net", "cli"):
            self.write(f"src/{room}/README.md", f"# {room}\n")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def judge(self, *more):
        return run(CHECK, "--root", self.root, *more)

    def wants(self, *pieces):
        code, output = self.judge()
        self.assertEqual(code, 1, output)
        for piece in pieces:
            self.assertIn(piece, output)
        self.assertIn("1 findings", output)

    def test_a_clean_tree_passes(self):
        code, output = self.judge()
        self.assertEqual((code, output), (0, "check-layers: clean\n"))

    def test_an_include_upwards_is_caught(self):
        self.write("src/mail/path.cpp", '// fine\n#include "smtp/session.hpp"\n')
        self.wants("src/mail/path.cpp:2: mail may not include smtp (upwards")

    def test_an_include_sideways_is_caught(self):
        self.write("src/smtp/reply.cpp", '#include "pop3/session.hpp"\n')
        self.wants("src/smtp/reply.cpp:1: smtp may not include pop3 (sideways")

    def test_a_downward_include_that_the_row_lacks_is_caught(self):
        self.write("src/net/stream.hpp", "")
        self.write("src/sasl/README.md", "")
        self.write("src/sasl/plain.cpp", '#include "net/stream.hpp"\n')
        self.wants("src/sasl/plain.cpp:1: sasl may not include net (not in its row")

    def test_tests_beside_the_code_are_judged_too(self):
        self.write("src/mail/path_test.cpp", '#include <gtest/gtest.h>\n#include "smtp/session.hpp"\n')
        self.wants("src/mail/path_test.cpp:2: mail may not include smtp")

    def test_asio_in_a_header_is_caught(self):
        self.write("src/net/stream.hpp", "#include <boost/asio/ip/tcp.hpp>\n")
        self.wants("src/net/stream.hpp:1", "headers include std, fmt and the project only")

    def test_the_await_header_in_a_header_is_caught(self):
        self.write("src/net/stream.hpp", '#include "core/await.hpp"\n')
        self.wants("src/net/stream.hpp:1", "is for .cpp files")

    def test_an_engine_that_awaits_is_caught(self):
        self.write("src/smtp/session.cpp", '#include "core/await.hpp"\n')
        self.wants("src/smtp/session.cpp:1", "smtp is pure")

    def test_a_library_in_the_wrong_room_is_caught(self):
        self.write("src/mail/digest.cpp", "#include <openssl/evp.h>\n")
        self.wants("src/mail/digest.cpp:1", "OpenSSL is not among the libraries of mail")

    def test_an_unknown_library_is_caught(self):
        self.write("src/mail/archive.cpp", "#include <archive.h>\n")
        self.wants("src/mail/archive.cpp:1", "unknown")

    def test_a_second_file_with_cli11_is_caught(self):
        self.write("src/cli/zz.cpp", "#include <CLI/App.hpp>\n")
        self.wants("src/cli/zz.cpp", "one .cpp only")

    def test_a_clock_outside_its_door_is_caught(self):
        self.write("src/smtp/session.cpp", "void f() {\n  auto t = std::chrono::system_clock::now();\n}\n")
        self.wants("src/smtp/session.cpp:2", "clock outside the doors")

    def test_each_other_kind_is_caught(self):
        for code, kind in [
            ("auto s = time(nullptr);", "clock"), ("std::random_device r;", "entropy"), ("int n = rand();", "entropy"),
            ("std::uniform_int_distribution<int> d;", "entropy"), ("std::thread t(f);", "thread"),
            ("std::this_thread::sleep_for(1s);", "sleep"), ("int s = ::socket(1, 2, 3);", "socket"),
            ("getaddrinfo(a, b, c, d);", "socket"), ("std::ifstream in(path);", "disk"),
            ("auto p = std::filesystem::path(x);", "disk"), ("system(command);", "process"),
            ("std::unordered_map<int, int> seen;\nvoid g() { for (const auto& [a, b] : seen) show(a); }", "unordered"),
        ]:
            with self.subTest(code=code):
                self.write("src/smtp/session.cpp", code + "\n")
                self.wants("src/smtp/session.cpp:", kind)

    def test_words_in_comments_strings_and_members_are_no_use(self):
        self.write("src/smtp/session.cpp", '// std::thread, time(nullptr)\nauto s = "rand()"; /* sleep_for */\n'
                                           "auto t = clock->time(0); int x = a.rand(); auto r = R\"(fopen(x))\";\n")
        self.assertEqual(self.judge()[0], 0)

    def test_a_row_in_doors_opens_the_door_for_that_file_only(self):
        self.write("docs/doors.tsv", "clock\tsrc/core/clock.cpp\tthe door\nsystem\tsrc/net/asio_*.cpp\tsockets\n")
        self.write("src/net/asio_stream.cpp", "#include <sys/socket.h>\n")
        self.assertEqual(self.judge()[0], 0)
        self.write("src/net/other.cpp", "#include <sys/socket.h>\n")
        self.wants("src/net/other.cpp:1")

    def test_a_row_in_doors_without_a_reason_is_refused(self):
        self.write("docs/doors.tsv", "clock\tsrc/core/clock.cpp\n")
        self.assertEqual(self.judge()[0], 2)

    def test_a_missing_readme_is_caught(self):
        (self.root / "src/pop3/README.md").unlink()
        self.wants("src/pop3: has no README.md")

    def test_a_folder_that_is_no_room_is_caught(self):
        self.write("src/utils/README.md", "")
        self.wants("src/utils: is no room")

    def test_a_header_cycle_is_caught(self):
        self.write("src/mail/a.hpp", '#include "mail/b.hpp"\n')
        self.write("src/mail/b.hpp", '#include "mail/a.hpp"\n')
        self.wants("a header cycle")

    def test_a_long_file_needs_its_reason(self):
        self.write("src/mail/table.cpp", "int x;\n" * 601)
        self.wants("src/mail/table.cpp: has 601 lines")
        self.write("src/mail/table.cpp", "// Long because: one table\n" + "int x;\n" * 601)
        self.assertEqual(self.judge()[0], 0)

    def test_a_table_that_drifts_from_the_design_is_reported(self):
        design = self.root / "DESIGN.md"
        rows = [line.split("\t") for line in (ROOT / "docs/layers.tsv").read_text().splitlines() if line[:1].isdigit()]
        lines = [f"| {r[0]} | `{r[1]}` | what is in it | {r[2]} | {r[3]} |" for r in rows if len(r) < 5]
        design.write_text("\n".join(lines) + "\n")
        self.assertEqual(self.judge("--design", design)[0], 0)
        design.write_text("\n".join(lines).replace("| core, mail, store, sasl |", "| core, mail |") + "\n")
        code, output = self.judge("--design", design)
        self.assertEqual(code, 1, output)
        self.assertIn("directory", output)


class TheTree(unittest.TestCase):
    def test_the_table_is_the_one_of_the_design(self):
        design = ROOT.parent / "shared/DESIGN.md"
        if not design.is_file():
            self.skipTest("no ../shared/DESIGN.md here")
        code, output = run(CHECK, "--design", design)
        drifted = [line for line in output.splitlines() if "has a row" in line]
        self.assertEqual(drifted, [])
        self.assertNotEqual(code, 2, output)


class Limits(unittest.TestCase):
    """docs/limits.md names constants, files and tests that exist."""

    def test_every_row_is_true(self):
        sources = {path: path.read_text(errors="replace") for folder in ("src", "tests") for path in (ROOT / folder).rglob("*")
                   if path.suffix in (".hpp", ".cpp", ".txt", ".py")}
        tests = {f"{suite}.{name}" for text in sources.values() for suite, name in re.findall(r"\bTEST(?:_P|_F)?\((\w+),\s*(\w+)\)", text)}
        rows = 0
        for line in (ROOT / "docs/limits.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) != 6 or not cells[3].startswith("`"):
                continue
            rows += 1
            with self.subTest(limit=cells[0]):
                constant, file = cells[3].strip("`"), ROOT / cells[4]
                self.assertTrue(file.is_file(), f"{cells[4]} is not there")
                there = [str(path.relative_to(ROOT)) for path, text in sources.items() if re.search(rf"\b{constant} ?[={{]", text)]
                self.assertTrue(re.search(rf"\b{constant}\b", sources[file]), f"{constant} is not in {cells[4]} but in {there}")
                for test in re.findall(r"`([^`]+)`", cells[5]):
                    self.assertTrue(test in tests or (ROOT / test).is_file(), f"no test {test}")
        self.assertGreater(rows, 30)


class Conformance(unittest.TestCase):
    """docs/conformance.md names tests that exist; each dialogue says which rule it shows."""

    def test_every_row_names_tests_that_exist(self):
        sources = [path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*_test.cpp")]
        tests = {f"{suite}.{name}" for text in sources
                 for suite, name in re.findall(r"\bTEST(?:_P|_F)?\((\w+),\s*(\w+)\)", text)}
        rows = 0
        for line in (ROOT / "docs/conformance.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) < 4 or cells[0] in ("RFC", "---"):
                continue
            rows += 1
            with self.subTest(rfc=cells[0], clause=cells[1]):
                named = re.findall(r"`([^`]+)`", cells[-1])
                self.assertTrue(named, "no test")
                for test in named:
                    file = ROOT / test if "/" in test else ROOT / "tests/dialogue/smtp" / test
                    self.assertTrue(test in tests or file.is_file(), f"no test {test}")
        self.assertGreater(rows, 60)

    def test_every_dialogue_names_its_section(self):
        dialogues = sorted((ROOT / "tests/dialogue").glob("*/*.txt"))
        self.assertGreaterEqual(len([path for path in dialogues if path.parent.name == "smtp"]), 150)
        for path in dialogues:
            with self.subTest(dialogue=path.name):
                self.assertRegex(path.read_text(errors="replace").splitlines()[0], r"^# .*(§|\bSECURITY R\d)")


class Manual(unittest.TestCase):
    """The manual knows every key and command that the program knows, and every event that it logs."""

    def all_of(self, sources, pattern, page):
        text = (ROOT / page).read_text()
        names = {name for source in ROOT.glob(sources)
                 if not source.name.endswith("_test.cpp") for name in re.findall(pattern, source.read_text())}
        self.assertTrue(names, f"{pattern} finds nothing in {sources}")
        self.assertEqual(sorted(name for name in names if name not in text), [], f"missing in {page}")

    def test_the_files_that_the_readmes_name_exist(self):
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
            text = page.read_text()
            for name in re.findall(r"`(?!data_dir/)([a-z_0-9]+/[\w./]+\.[a-z]+)`", text):
                with self.subTest(page=page.name, file=name):
                    self.assertTrue((ROOT / name).exists() or (ROOT / "src" / name).exists())
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                with self.subTest(page=page.name, link=link):
                    self.assertTrue((page.parent / link).exists())

    def test_every_key_of_the_configuration_is_in_it(self):
        self.all_of("src/cli/config*.cpp", r'(?:keys|top)\.\w+\("(\w+)"', "docs/manual/config.md")

    def test_every_command_is_in_it(self):
        self.all_of("src/cli/command_line.cpp", r'\n    \{"(\w+ \w+)", "', "docs/manual/commands.md")
        self.all_of("src/cli/command_line.cpp", r'add_subcommand\("(\w+)"', "docs/manual/commands.md")
        self.all_of("src/cli/command_line.cpp", r'"(--[\w-]+)"', "docs/manual/commands.md")

    def test_every_persona_is_in_it(self):
        self.all_of("src/smtp/persona_behaviours.cpp", r'(?:profile|sender|recipient)\("([\w-]+)"', "docs/manual/personas.md")

    def test_every_event_and_metric_is_in_it(self):
        self.all_of("src/*/*.[ch]pp", r'std::string_view kName = "([\w.]+)"', "docs/manual/operations.md")
        self.all_of("src/*/*.cpp", r'(?:counter|gauge)\("(postrider_\w+)"', "docs/manual/operations.md")


class RfcIndex(unittest.TestCase):
    def test_it_finds_the_marks_of_a_section_and_those_below(self):
        code, output = run(ROOT / "tools/rfc-index", "5321", "4.5")
        self.assertEqual(code, 0, output)
        self.assertTrue(all(line.startswith("5321 §4.5") for line in output.splitlines()), output)
        self.assertIn("src/smtp/", output)

    def test_a_section_that_no_one_names_gives_nothing(self):
        self.assertEqual(run(ROOT / "tools/rfc-index", "5321", "99.9"), (1, ""))


if __name__ == "__main__":
    unittest.main()
