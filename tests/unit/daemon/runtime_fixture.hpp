#pragma once

// Two configurations that differ in everything, on a fake machine, and parts that remember what they took over.

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_machine.hpp"
#include "prooftrackd/preparation.hpp"
#include "prooftrackd/reloader.hpp"
#include "support/recorded_log.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::daemon {

inline constexpr const char* config_file = "/etc/prooftrackd.toml";
inline constexpr const char* first_key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
inline constexpr const char* second_key = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n";

class fake_parts final : public running_parts {
  public:
    explicit fake_parts(prepared_runtime first) : now(std::move(first)) {}
    const prepared_runtime& runtime() const override { return now; }
    void take_over(prepared_runtime next) noexcept override {
        now = std::move(next);
        ++taken_over;
    }
    void keep(const std::string& why) noexcept override {
        ++kept;
        refusal = why;
    }

    prepared_runtime now;
    int taken_over = 0;
    int kept = 0;
    std::string refusal;
};

class Runtime : public testing::Test {
  protected:
    Runtime() {
        machine_.files = {{"/old/token", "old-token\n"},    {"/new/token", "new-token\n"},
                          {"/old/secret", first_key},       {"/new/secret", second_key},
                          {"/old/ca", authority_.ca_pem()}, {"/new/ca", stranger_.ca_pem()},
                          {"/old/headers", "X-Key: old\n"}, {"/new/headers", "X-Key: new\r\nAuthorization: b c\n"},
                          {"/new/url_secret", second_key},  {config_file, text_of("old", "old.example")}};
        machine_.groups = {{"old", 100}, {"new", 200}, {"socket", 300}};
        machine_.programs = {"/bin/credit"};
    }

    /// Everything that can be named, all of it below /WHICH.
    static std::string text_of(const std::string& which, const std::string& host) {
        std::string text = "[proof]\nbase_url = \"https://" + host + "\"\n";
        text += "token_file = \"/" + which + "/token\"\nca_file = \"/" + which + "/ca\"\n";
        text += "[api]\ngroup = \"socket\"\nadmin_group = \"" + which + "\"\nmax_clients = 10\n";
        text += "[[callback]]\nname = \"shop\"\nurl = \"https://shop.example/\"\nevents = [\"transaction.*\"]\n";
        text += "secret_file = \"/" + which + "/secret\"\nca_file = \"/" + which + "/ca\"\n";
        text += "headers_file = \"/" + which + "/headers\"\n";
        if (which != "new") return text;
        text += "[[callback]]\nname = \"ledger\"\ncommand = [\"/bin/credit\"]\n";
        text += "[callback_url]\nallow_hosts = [\"shop.example\"]\nsecret_file = \"/new/url_secret\"\n";
        return text;
    }
    void write_new() { machine_.files[config_file] = text_of("new", "new.example"); }

    preparation prepare(const prepared_runtime* before = nullptr) {
        return prepare_runtime(config_file, machine_, before);
    }
    prepared_runtime good() {
        preparation ready = prepare();
        for (const auto& mistake : ready.refusals()) ADD_FAILURE() << format_mistake(mistake);
        return std::move(ready.runtime.value());
    }
    /// The machine reads from memory and the watches look at the disk: both get the same. It is another file each time,
    /// so that a watch sees it however coarse the file system's clock is.
    void replace(
        const testing_support::temporary_directory& folder, const std::filesystem::path& file,
        const std::string& content) {
        machine_.files[file.string()] = content;
        std::filesystem::rename(folder.write("next", content), file);
    }
    static std::vector<std::string> texts(const config::config_mistakes& mistakes) {
        std::vector<std::string> all;
        for (const auto& mistake : mistakes) all.push_back(format_mistake(mistake));
        return all;
    }

    testing_support::test_authority authority_;
    testing_support::test_authority stranger_{"another authority"};
    fake_machine machine_;
    recorded_log log_;
};

} // namespace prooftrack::daemon
