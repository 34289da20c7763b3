// An extension module by pybind11 that calls back in each of the ways that pybind11 has.
#include <pybind11/functional.h>
#include <pybind11/iostream.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <functional>
#include <iostream>
#include <string>
#include <vector>

namespace py = pybind11;

struct Shape {
  explicit Shape(std::string its_name) : name(std::move(its_name)) {}
  virtual ~Shape() = default;
  virtual int area(int scale) { return scale; }
  int twice_the_area(int scale) { return area(scale) + area(scale); }
  std::string name;
};

struct ShapeInPython : Shape {
  using Shape::Shape;
  int area(int scale) override { PYBIND11_OVERRIDE(int, Shape, area, scale); }
};

struct Holder {
  Shape* held = nullptr;
};

PYBIND11_MODULE(pybind11_calls, m) {
  py::class_<Shape, ShapeInPython>(m, "Shape")
      .def(py::init<std::string>())
      .def("area", &Shape::area)
      .def("twice_the_area", &Shape::twice_the_area)
      .def_readonly("name", &Shape::name);
  py::class_<Holder>(m, "Holder")
      .def(py::init<>())
      .def("hold", [](Holder& self, Shape* shape, const std::function<void()>& during) {
        during();
        self.held = shape;
      }, py::keep_alive<1, 2>())
      .def("name", [](Holder& self) { return self.held->name; });
  m.def("twice", [](const std::string& name, const std::function<int(int)>& f) {
    int sum = f(1);
    sum += f(2);
    return name + ":" + std::to_string(sum);
  });
  m.def("all_of", [](const std::vector<std::string>& names,
                     const std::function<std::string(const std::string&)>& f) {
    std::string all;
    for (const std::string& name : names) all += f(name);
    return all;
  });
  // What is written to std::cout meanwhile goes to a Python file, for all of the process.
  m.def("redirected", [](const py::object& file, const std::function<int(int)>& f) {
    py::scoped_ostream_redirect redirect(std::cout, file);
    int sum = 0;
    for (int i = 1; i <= 2; ++i) {
      sum += f(i);
      std::cout << sum << std::flush;
    }
    return sum;
  });
  m.def("without_gil", [](const std::function<int(int)>& f) {
    py::gil_scoped_release released;
    int sum = 0;
    for (int i = 1; i <= 2; ++i) {
      py::gil_scoped_acquire acquired;
      sum += f(i);
    }
    return sum;
  });
  m.def("translate", [](const std::function<int(int)>& f) {
    try {
      return f(1);
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_LookupError)) throw;
      return -1;
    }
  });
}
