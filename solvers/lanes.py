"""Vector registers inside numba kernels: ``LANES`` neighbouring latitudes in one value.

LLVM turns a plain loop into vector code only where it can prove that its arrays do not overlap,
and it does not keep sums over an outer loop in registers. A numba type for a register settles
both, and the kernels read like scalar code: ``+``, ``-`` and
``*`` act lane by lane, and ``a * b + c`` becomes one fused instruction where there is one.

On a processor with shorter registers LLVM splits a value, so any machine runs the same code.
"""

import operator
from collections.abc import Callable
from typing import Any, ClassVar

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

REGISTER_BYTES = 64
"""Size of a value: one AVX-512 register, 8 float64 or 16 float32."""


class Lanes(types.Type):
    """The numba type of a register of ``dtype``."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.count = REGISTER_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype} x {self.count})")


FLOAT64 = Lanes(types.float64)
FLOAT32 = Lanes(types.float32)
_OF_DTYPE = {types.float64: FLOAT64, types.float32: FLOAT32}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        element = ir.DoubleType() if fe_type.dtype == types.float64 else ir.FloatType()
        vector = ir.VectorType(element, fe_type.count)
        super().__init__(dmm, fe_type, vector)  # type: ignore[no-untyped-call]


def _register(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's ``intrinsic`` with a type."""
    registered: Callable[..., Any] = intrinsic(function)
    return registered


def _arithmetic(operation: Any, instruction: str) -> None:
    @infer_global(operation)  # type: ignore[no-untyped-call]
    class _Typing(ConcreteTemplate):
        cases: ClassVar = [
            signature(kind, kind, kind)  # type: ignore[no-untyped-call]
            for kind in _OF_DTYPE.values()
        ]

    @lower_builtin(operation, Lanes, Lanes)  # type: ignore[no-untyped-call, untyped-decorator]
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=("contract",))


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
):
    _arithmetic(_operation, _instruction)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    struct = cgutils.create_struct_proxy(array_type)  # type: ignore[no-untyped-call]
    data = struct(context, builder, array).data
    return builder.gep(data, [index])


def _splat(builder: Any, kind: Any, scalar: Any) -> Any:
    vector = ir.VectorType(scalar.type, kind.count)
    one = builder.insert_element(
        ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


@_register
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Register of the elements from ``array[index]`` on; ``array`` is flat, bounds unchecked."""
    kind = _OF_DTYPE[array.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        start = _pointer(context, builder, sig.args[0], *args)
        vector = context.get_value_type(kind)
        return builder.load(
            builder.bitcast(start, vector.as_pointer()), align=array.dtype.bitwidth // 8
        )

    return kind(array, types.intp), codegen


@_register
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write ``value`` to the elements from ``array[index]`` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        start = _pointer(context, builder, sig.args[0], args[0], args[1])
        target = builder.bitcast(start, args[2].type.as_pointer())
        builder.store(args[2], target, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), codegen


@_register
def broadcast(typingctx: Any, array: Any, index: Any) -> Any:
    """Register of which every lane is ``array[index]``."""
    kind = _OF_DTYPE[array.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = builder.load(_pointer(context, builder, sig.args[0], *args))
        return _splat(builder, kind, scalar)

    return kind(array, types.intp), codegen


@_register
def zero(typingctx: Any, array: Any) -> Any:
    """Register of zeros of the type of ``array``."""
    kind = _OF_DTYPE[array.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(array), codegen


@_register
def splat(typingctx: Any, array: Any, scalar: Any) -> Any:
    """Register of the type of ``array`` of which every lane is ``scalar``."""
    kind = _OF_DTYPE[array.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = context.cast(builder, args[1], sig.args[1], kind.dtype)
        return _splat(builder, kind, value)

    return kind(array, scalar), codegen


def _load_rows(
    builder: Any, context: Any, array_type: Any, array: Any, index: Any, step: Any
) -> Any:
    """As many registers as a register has lanes, ``step`` elements apart, as a list."""
    kind = _OF_DTYPE[array_type.dtype]
    vector, align = context.get_value_type(kind), array_type.dtype.bitwidth // 8
    rows = []
    for _ in range(kind.count):
        start = _pointer(context, builder, array_type, array, index)
        rows.append(builder.load(builder.bitcast(start, vector.as_pointer()), align=align))
        index = builder.add(index, step)
    return rows


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(a, b, mask)


@_register
def totals(typingctx: Any, array: Any, index: Any) -> Any:
    """Sum of the lanes of each of as many successive registers of ``array`` as one has lanes.

    Pairwise: two registers become one of half as long groups, and so on; about two exchanges of
    lanes per sum, where separate sums need one for every halving.
    """
    kind = _OF_DTYPE[array.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        step = ir.Constant(args[1].type, kind.count)
        rows = _load_rows(builder, context, sig.args[0], args[0], args[1], step)
        group = kind.count
        while len(rows) > 1:
            half = group // 2
            first = [lane for lane in range(2 * kind.count) if lane % group < half]
            second = [lane + half for lane in first]
            rows = [
                builder.fadd(_shuffle(builder, a, b, first), _shuffle(builder, a, b, second))
                for a, b in zip(rows[::2], rows[1::2], strict=True)
            ]
            group = half
        return rows[0]

    return kind(array, types.intp), codegen


@_register
def turn(typingctx: Any, source: Any, index: Any, step: Any, target: Any, to: Any) -> Any:
    """Transpose a square block: rows are ``step`` apart in ``source``, successive in ``target``."""
    kind = _OF_DTYPE[source.dtype]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _load_rows(builder, context, sig.args[0], args[0], args[1], args[2])
        count = kind.count
        half = count // 2
        while half:
            kept = [k if not k & half else count + k - half for k in range(count)]
            moved = [k + half if not k & half else count + k for k in range(count)]
            for i in range(count):
                if not i & half:
                    a, b = rows[i], rows[i + half]
                    rows[i] = _shuffle(builder, a, b, kept)
                    rows[i + half] = _shuffle(builder, a, b, moved)
            half //= 2
        for i, row in enumerate(rows):
            at = builder.add(args[4], ir.Constant(args[4].type, i * count))
            start = _pointer(context, builder, sig.args[3], args[3], at)
            builder.store(
                row, builder.bitcast(start, row.type.as_pointer()), align=kind.dtype.bitwidth // 8
            )
        return context.get_dummy_value()

    return types.none(source, types.intp, types.intp, target, types.intp), codegen
