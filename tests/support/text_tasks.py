"""What fifty tasks do in libraries for text and scripts: `python text_tasks.py CASE`."""

from __future__ import annotations

import sys

from support.many_tasks import check, later


def lxml_resolver(index):
    from lxml import etree

    class Resolver(etree.Resolver):
        def resolve(self, url, identity, context):
            return self.resolve_string(later(index, f"<!ENTITY name 'task {index}'>"), context)

    parser = etree.XMLParser(load_dtd=True, resolve_entities=True, no_network=False)
    parser.resolvers.add(Resolver())
    found = etree.fromstring(b'<!DOCTYPE a SYSTEM "other.dtd"><a>&name;</a>', parser)
    return found.text


def lxml_xslt(index):
    from lxml import etree

    style = """
        <x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"
          xmlns:own="urn:own">
          <x:template match="/"><out><x:for-each select="//b">
            <x:value-of select="own:later(string(.))"/>,</x:for-each></out></x:template>
        </x:stylesheet>"""
    extensions = {("urn:own", "later"): lambda _, text: later(index, f"{text}{index}", int(text))}
    transform = etree.XSLT(etree.XML(style), extensions=extensions)
    found = transform(etree.XML("<a><b>1</b><b>2</b><b>3</b></a>")).getroot()
    return "".join(found.text.split())


def lxml_xpath(index):
    from lxml import etree

    functions = {(None, "later"): lambda _, nodes: later(index, index + len(nodes))}
    tree = etree.XML("<a><b/><b/></a>")
    return [int(tree.xpath("later(//b) + later(//a)", extensions=functions)) for _ in range(2)]


def lxml_target(index):
    from lxml import etree

    class Target:
        def __init__(self):
            self.seen = []

        def start(self, tag, attributes):
            self.seen.append(later(index, f"{tag}{index}", len(self.seen)))

        def end(self, tag):
            later(index, None, len(self.seen))

        def close(self):
            return later(index, self.seen)

    return etree.fromstring("<a><b/><c/></a>", etree.XMLParser(target=Target()))


def jinja2_template(index):
    from jinja2 import Environment

    environment = Environment()
    environment.filters["later"] = lambda x: later(index, x * index, x)
    template = environment.from_string(
        "{% for x in xs %}{{ x | later }},{{ wait(x) }};{% endfor %}"
    )
    return template.render(xs=[1, 2], wait=lambda x: later(index, x, x))


def simplejson_default(index):
    import simplejson

    return simplejson.dumps([object(), object()], default=lambda _: later(index, index))


def simplejson_hook(index):
    import simplejson

    text = '{"a": {"b": 1}}'
    return simplejson.loads(text, object_hook=lambda found: later(index, {**found, "i": index}))


def orjson_default(index):
    import orjson

    return orjson.dumps([object(), object()], default=lambda _: later(index, index)).decode()


def regex_sub(index):
    import regex

    return regex.sub(r"\d", lambda match: later(index, f"{int(match[0]) * index} "), "1a2b")


def pydantic_model(index):
    import pydantic

    class Model(pydantic.BaseModel):
        number: int
        inner: list[int]

        @pydantic.field_validator("number", mode="before")
        @classmethod
        def check_number(cls, value):
            return later(index, value + index)

        @pydantic.model_validator(mode="wrap")
        @classmethod
        def check_model(cls, value, handler):
            later(index, None, 1)
            return later(index, handler(value), 2)

        @pydantic.field_serializer("inner")
        def write(self, value):
            return later(index, [x * index for x in value])

    return Model(number=1, inner=[1, 2]).model_dump()


def rpds_map(index):
    from rpds import HashTrieMap

    class Key:
        def __init__(self, value):
            self.value = value

        def __hash__(self):
            return later(index, self.value % 2, self.value)

        def __eq__(self, other):
            return later(index, self.value == other.value, other.value)

    entries = HashTrieMap()
    for value in range(6):
        entries = entries.insert(Key(value), value * index)
    return [entries[Key(value)] for value in range(6)]


def wasmtime_host_function(index):
    import wasmtime

    store = wasmtime.Store()
    module = wasmtime.Module(
        store.engine,
        """(module (import "" "later" (func $later (param i32) (result i32)))
             (func (export "run") (param i32) (result i32)
               (i32.add (call $later (local.get 0)) (call $later (i32.const 2)))))""",
    )
    kind = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
    function = wasmtime.Func(store, kind, lambda x: later(index, x * index, x))
    instance = wasmtime.Instance(store, module, [function])
    return instance.exports(store)["run"](store, 1)


def quickjs_host_function(index):
    import quickjs

    context = quickjs.Context()
    context.add_callable("later", lambda x: later(index, x * index, x))
    return context.eval("[1, 2, 3].map(x => later(x)).reduce((a, b) => a + b)")


def PySide6_signal(index):
    from PySide6.QtCore import QObject, Signal

    class Source(QObject):
        changed = Signal(int)

    source, seen = Source(), []
    source.changed.connect(lambda x: seen.append(later(index, x * index, x)))
    source.changed.connect(lambda x: seen.append(later(index, x + index, x)))
    source.changed.emit(1)
    source.changed.emit(2)
    return seen


CASES = {
    "lxml_resolver": (lxml_resolver, lambda i: f"task {i}"),
    "lxml_xslt": (lxml_xslt, lambda i: f"1{i},2{i},3{i},"),
    "lxml_xpath": (lxml_xpath, lambda i: [2 * i + 3] * 2),
    "lxml_target": (lxml_target, lambda i: [f"a{i}", f"b{i}", f"c{i}"]),
    "jinja2_template": (jinja2_template, lambda i: f"{i},1;{2 * i},2;"),
    "simplejson_default": (simplejson_default, lambda i: f"[{i}, {i}]"),
    "simplejson_hook": (simplejson_hook, lambda i: {"a": {"b": 1, "i": i}, "i": i}),
    "orjson_default": (orjson_default, lambda i: f"[{i},{i}]"),
    "regex_sub": (regex_sub, lambda i: f"{i} a{2 * i} b"),
    "pydantic_model": (pydantic_model, lambda i: {"number": 1 + i, "inner": [i, 2 * i]}),
    "rpds_map": (rpds_map, lambda i: [value * i for value in range(6)]),
    "wasmtime_host_function": (wasmtime_host_function, lambda i: 3 * i),
    "quickjs_host_function": (quickjs_host_function, lambda i: 6 * i),
    "PySide6_signal": (PySide6_signal, lambda i: [i, 1 + i, 2 * i, 2 + i]),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
