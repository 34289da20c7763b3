// An extension module by nanobind that calls back: functions, and methods that Python overrides.
#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>
#include <nanobind/trampoline.h>

#include <functional>
#include <string>

namespace nb = nanobind;

struct Shape {
  virtual ~Shape() = default;
  virtual int area(int scale) { return scale; }
  int twice_the_area(int scale) { return area(scale) + area(scale); }
};

struct ShapeInPython : Shape {
  NB_TRAMPOLINE(Shape, 1);
  int area(int scale) override { NB_OVERRIDE(area, scale); }
};

NB_MODULE(nanobind_calls, m) {
  nb::class_<Shape, ShapeInPython>(m, "Shape")
      .def(nb::init<>())
      .def("area", &Shape::area)
      .def("twice_the_area", &Shape::twice_the_area);
  m.def("twice", [](const std::string& name, const std::function<int(int)>& f) {
    int sum = f(1);
    sum += f(2);
    return name + ":" + std::to_string(sum);
  });
  m.def("without_gil", [](const std::function<int(int)>& f) {
    nb::gil_scoped_release released;
    int sum = 0;
    for (int i = 1; i <= 2; ++i) {
      nb::gil_scoped_acquire acquired;
      sum += f(i);
    }
    return sum;
  });
}
