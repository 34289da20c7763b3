"""What the README and docs/programs.md say of whole programs, tried as it is written."""

import re

import pytest
from support.children import SOURCE, run_python

pytestmark = pytest.mark.in_child_process


def test_the_example_is_that_of_the_readme():
    blocks = re.findall(r"```python\n(.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)
    program = next(block for block in blocks if "switchback.run(main())" in block)
    assert (SOURCE / "examples/whole_program.py").read_text().endswith(program)


def test_the_example_runs():
    assert run_python(SOURCE / "examples/whole_program.py").stdout == "[3, 3] 3\n"
