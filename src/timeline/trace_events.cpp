// Writing what a timeline has noted in the Trace Event format, which Perfetto and Chrome read.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "timeline/timeline.hpp"

namespace switchback::timeline {

// Writes to memory that has room for it. Knows nothing of Python, and needs no GIL.
class Timeline::Writer {
 public:
  // What an event takes beside its names, at most; and how many a record may come to.
  static constexpr std::size_t most_without_names = 256, most_of_record = 2;

  Writer(Timeline& of, char* start) : of_(of), at_(start) {}
  char* at() const { return at_; }

  // What the track is called, and that tracks stand in the order of their numbers.
  void line(std::uint32_t index) {
    const WrittenLine& line = of_.written_lines_[index];
    put(",\n{\"ph\":\"M\",\"name\":\"thread_name\"");
    place(index);
    put(",\"args\":{\"name\":\"");
    name(line.name);
    if (line.number > 1) {
      put(" ");
      number(line.number);
    }
    put("\"}},\n{\"ph\":\"M\",\"name\":\"thread_sort_index\"");
    place(index);
    put(",\"args\":{\"sort_index\":");
    number(index + 1);
    put("}}");
  }

  // A step, after the wait before it.
  void record(const Record& record) {
    WrittenLine& line = of_.written_lines_[record.line];
    const std::int64_t begin = of_.rate_.nanoseconds(record.begin);
    const std::int64_t end = of_.rate_.nanoseconds(record.end);
    if (line.waits_since != 0) end_wait(record.line, begin);
    line.waits_since = 0;
    if (record.awaited == still_running) {
      run('B', record.line, begin, begin);
      line.step_is_begun = true;
      return;
    }
    // A portal that has gone away while it waited has no step.
    if (line.step_is_begun || end > begin) {
      run(line.step_is_begun ? 'E' : 'X', record.line, line.step_is_begun ? end : begin, end);
    }
    line.step_is_begun = false;
    if (record.awaited == ended) return;
    line.waits_since = end;
    line.awaited = record.awaited;
  }

  // The waits that have begun before `before`, of which the file is going to tell although they
  // have not ended; or, at the end, all.
  void waits(std::int64_t before, std::int64_t now, bool is_last) {
    for (std::uint32_t i = 0; i < of_.written_lines_.size(); ++i) {
      WrittenLine& line = of_.written_lines_[i];
      if (line.waits_since == 0) continue;
      if (is_last) {
        end_wait(i, now);
      } else if (!line.wait_is_begun && line.waits_since < before) {
        wait('B', i, line.waits_since, now);
        line.wait_is_begun = true;
      }
    }
  }

 private:
  template <std::size_t size>
  void put(const char (&text)[size]) {
    std::memcpy(at_, text, size - 1);
    at_ += size - 1;
  }
  template <typename Number>
  void number(Number value) {
    constexpr std::size_t most_digits = 20;
    at_ = std::to_chars(at_, at_ + most_digits, value).ptr;
  }
  void name(std::uint32_t index) {
    const Name& written = of_.written_names_[index];
    std::memcpy(at_, written.text, written.size);
    at_ += written.size;
  }
  void place(std::uint32_t index) {
    put(",\"pid\":");
    number(of_.written_lines_[index].thread);
    put(",\"tid\":");
    number(index + 1);
  }
  // Nanoseconds, as microseconds.
  void time(std::int64_t nanoseconds) {
    number(nanoseconds / 1000);
    const auto rest = static_cast<int>(nanoseconds % 1000);
    const char digits[] = {'.', static_cast<char>('0' + rest / 100),
                           static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10), '\0'};
    put(digits);
  }
  // Clocks that go apart, as over a sleep of the machine, must not make a time less than zero.
  void head(char phase, std::uint32_t index, std::int64_t begin, std::int64_t end) {
    begin = std::max<std::int64_t>(begin, 0);
    end = std::max(begin, end);
    put(",\n{\"ph\":\"");
    *at_++ = phase;
    put("\"");
    place(index);
    put(",\"ts\":");
    time(begin);
    if (phase == 'X') {
      put(",\"dur\":");
      time(end - begin);
    }
  }
  void run(char phase, std::uint32_t index, std::int64_t begin, std::int64_t end) {
    head(phase, index, begin, end);
    put(",\"cat\":\"runs\",\"name\":\"");
    name(of_.written_lines_[index].name);
    put("\"}");
  }
  void wait(char phase, std::uint32_t index, std::int64_t begin, std::int64_t end) {
    const std::uint32_t awaited = of_.written_lines_[index].awaited;
    head(phase, index, begin, end);
    put(",\"cat\":\"waits\",\"name\":\"");
    if (awaited != 0) put("await_(");
    name(awaited);
    if (awaited != 0) put(")");
    put("\"}");
  }
  void end_wait(std::uint32_t index, std::int64_t end) {
    WrittenLine& line = of_.written_lines_[index];
    wait(line.wait_is_begun ? 'E' : 'X', index, line.wait_is_begun ? end : line.waits_since, end);
    line.wait_is_begun = false;
  }

  Timeline& of_;
  char* at_;
};

// Has what is written without the GIL in place. Returns false if there is no memory.
bool Timeline::prepare(std::int64_t now, bool is_last) {
  for (Line& line : lines_) {
    if (!line.is_running || (!is_last && (line.is_begun || line.since > taken_))) continue;
    // Should the process be killed, it is in the file already.
    line.is_begun = true;
    note(line, now, is_last ? ended : still_running);
  }
  for (std::uint32_t i = written_names_.size(); i < names_.size(); ++i) {
    if (!written_names_.add(names_[i])) return false;
  }
  for (std::uint32_t i = written_lines_.size(); i < lines_.size(); ++i) {
    WrittenLine written{};
    written.name = lines_[i].name;
    written.number = lines_[i].number;
    written.thread = threads_[lines_[i].thread].native;
    if (!written_lines_.add(written)) return false;
  }
  return !has_lost_;
}

std::size_t Timeline::most_to_write() {
  std::uint32_t longest = 0;
  for (const Name& name : written_names_) longest = name.size > longest ? name.size : longest;
  const std::size_t events =
      records_[filling_].size() * Writer::most_of_record + written_lines_.size() * 3;
  return events * (Writer::most_without_names + longest);
}

PyObject* Timeline::take(bool is_last) {
  const std::uint32_t first_new = written_lines_.size();
  const std::int64_t now = rate_.measure(), before = taken_;
  Ref threads = Ref::steal(PyList_New(0));
  if (!threads) return nullptr;
  for (; written_threads_ < threads_.size(); ++written_threads_) {
    Ref number = Ref::steal(PyLong_FromUnsignedLong(threads_[written_threads_].native));
    if (!number || PyList_Append(threads.get(), number.get()) < 0) return nullptr;
  }
  if (!prepare(now, is_last)) return PyErr_NoMemory();
  auto* const text = static_cast<char*>(std::malloc(most_to_write() + 1));
  if (text == nullptr) return PyErr_NoMemory();
  Array<Record>& records = records_[filling_];
  filling_ ^= 1U;
  taken_ = now;
  is_taken_ = true;
  PyThreadState* const thread_state = PyEval_SaveThread();
  Writer writer(*this, text);
  for (std::uint32_t i = first_new; i < written_lines_.size(); ++i) writer.line(i);
  for (const Record& record : records) writer.record(record);
  writer.waits(rate_.nanoseconds(before), rate_.nanoseconds(now), is_last);
  records.clear();
  PyEval_RestoreThread(thread_state);
  is_taken_ = false;
  Ref bytes = Ref::steal(PyBytes_FromStringAndSize(text, writer.at() - text));
  std::free(text);
  return bytes ? PyTuple_Pack(2, bytes.get(), threads.get()) : nullptr;
}

}  // namespace switchback::timeline
