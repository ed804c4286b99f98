#include "sim/director.hpp"

#include <algorithm>
#include <array>

namespace prooftrack::sim {
namespace {

using std::chrono::minutes;

/// Ids that a firewall, a proxy or a careless program may trip over.
constexpr std::array odd_ids{".env", "web.config", "a--b", "03b22d25d523a5285"};

} // namespace

void director::plan() {
    for (std::int64_t i = 0; i < world_.profile.transactions; ++i) plan_transaction();
    for (std::size_t kind = 0; kind < action_kind_count; ++kind)
        world_.figures.seeds[kind] += world_.profile.weight[kind] > 0 ? 1 : 0;
    for (std::int64_t i = 0; i < world_.profile.timed_actions; ++i) {
        const auto kind = pick_action(world_.profile, action_choice::any, world_.random);
        if (!kind) return;
        world_.clock.at(world_.some_time(), [this, kind = *kind] { act(kind, pick_id(kind), moment_kind::timed); });
    }
    // A machine boots with a wrong clock; some time later it is set right.
    const bool boots_wrong = world_.profile.uses(action_kind::jump_clock) && world_.random.between(0, 2) == 0;
    if (!boots_wrong) return;
    world_.jump_clock(std::chrono::days(world_.random.between(1, 90)) * (world_.random.between(0, 2) == 0 ? 1 : -1));
    world_.clock.at(world_.some_time(), [this] { world_.jump_clock(-world_.clock.wall_error()); });
}

void director::plan_transaction() {
    random_source& random = world_.random;
    const std::size_t number = ids_.size();
    const bool is_odd = number < odd_ids.size() && random.between(0, 9) == 0;
    const std::string id = is_odd ? odd_ids.at(number) : fmt::format("tx-{}", number);
    ids_.push_back(id);
    const steady_time added = world_.some_time(minutes(20));
    world_.proof.transactions.emplace(id, world_.draw_truth(added));
    const wanted_options options = client_.draw_options();
    world_.clock.at(added, [this, id, options] { client_.post_until_acknowledged(id, options); });
}

bool director::at_moment(moment_kind moment, const std::string& id) {
    constexpr int most_at_moments = 500;
    if (world_.is_safe || is_pending_ || at_moments_ >= most_at_moments || !world_.is_up()) return false;
    if (!world_.proof.transactions.contains(id)) return false;
    const auto focused = focus_.find(id);
    const bool is_focused = focused != focus_.end() && focused->second > 0;
    if (is_focused) --focused->second;
    const double chance =
        is_focused ? std::max(world_.profile.focus_chance, world_.profile.moment_chance) : world_.profile.moment_chance;
    if (chance == 0 || world_.random.unit() >= chance) return false;
    const auto choice = is_focused ? action_choice::about_an_id : action_choice::at_a_moment;
    const auto kind = pick_action(world_.profile, choice, world_.random);
    if (!kind) return false;
    ++at_moments_;
    is_pending_ = true;
    world_.clock.post([this, kind = *kind, id, moment] {
        is_pending_ = false;
        act(kind, id, moment);
    });
    return true;
}

/// Calls about what has ended are as frequent as those about what goes on.
std::string director::pick_id(action_kind kind) {
    random_source& random = world_.random;
    if (ids_.empty()) return "";
    const auto any = [&](const std::vector<std::string>& all) {
        return all[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(all.size()) - 1))];
    };
    const bool wants_ended = kind == action_kind::post_same || kind == action_kind::post_other ||
                             kind == action_kind::poll_by_hand || kind == action_kind::import ||
                             kind == action_kind::proof_moves;
    if (!wants_ended || random.between(0, 2) == 0) return any(ids_);
    std::vector<std::string> ended;
    std::copy_if(ids_.begin(), ids_.end(), std::back_inserter(ended), [&](const std::string& id) {
        const episode_model& model = world_.watch.model(id);
        return model.may_be(reported_state::abandoned) || model.may_be(reported_state::untracked);
    });
    return any(ended.empty() ? ids_ : ended);
}

void director::act(action_kind kind, const std::string& id, moment_kind moment) {
    if (world_.is_safe) return;
    world_.figures.count(kind, moment);
    if (world_.log.on_line)
        fmt::print(
            "{} {} {} at {}\n", format_wall_time(world_.clock.true_wall()), to_string(kind), id, to_string(moment));
    constexpr int moments_of_focus = 10;
    if (world_.profile.focus_chance > 0) focus_[id] = moments_of_focus;
    if (call(kind, id)) return;
    switch (kind) {
    case action_kind::crash:
        if (world_.life) world_.crash_soon();
        break;
    case action_kind::restart:
        world_.stop_soon();
        break;
    case action_kind::disk_full:
        fill_disk();
        break;
    case action_kind::slow_store:
        if (!world_.life || world_.life->disk_side().delay() > seconds(30)) break;
        world_.watch.on_store_trouble(seconds(90));
        if (world_.random.between(0, 1) == 0) {
            world_.life->disk_side().delay_commit(world_.some_milliseconds(milliseconds(10), seconds(30)));
        } else {
            world_.life->disk_side().delay_answers(world_.some_milliseconds(milliseconds(10), seconds(30)));
        }
        break;
    case action_kind::failing_operation:
        if (!world_.life) break;
        world_.watch.on_store_trouble(seconds(60));
        world_.life->disk_side().fail_operation(
            static_cast<std::uint64_t>(world_.random.between(0, 3)), store::store_error::full);
        break;
    case action_kind::jump_clock:
        jump_clock();
        break;
    case action_kind::suspend:
        world_.suspend(world_.some_milliseconds(seconds(3), minutes(30)));
        break;
    case action_kind::proof_fault:
        begin_fault();
        break;
    case action_kind::poison:
        poison(id);
        break;
    case action_kind::proof_moves:
        move_proof(id);
        break;
    default:
        reload(kind);
        break;
    }
}

/// True when the kind is a call of the API.
bool director::call(action_kind kind, const std::string& id) {
    switch (kind) {
    case action_kind::post_same:
        if (client_.is_acknowledged(id)) client_.post(id, client_.last_options(id));
        return true;
    case action_kind::post_other:
        if (client_.is_acknowledged(id)) client_.post(id, client_.draw_options());
        return true;
    case action_kind::import:
        if (!id.empty()) client_.import({id, pick_id(kind)});
        return true;
    case action_kind::session:
        client_.session(world_.random.between(0, 1) == 0);
        return true;
    case action_kind::poll_by_hand:
        if (!id.empty()) client_.poll(id);
        return true;
    case action_kind::hint:
        if (!id.empty()) client_.hint(id);
        return true;
    case action_kind::untrack:
        if (!id.empty()) client_.untrack(id);
        return true;
    case action_kind::set_options:
        if (!id.empty()) client_.set_options(id);
        return true;
    case action_kind::untrack_matching:
        client_.untrack_matching();
        return true;
    case action_kind::get:
        if (!id.empty()) client_.get(id);
        return true;
    case action_kind::wait:
        if (!id.empty()) client_.wait(id);
        return true;
    case action_kind::list:
        client_.list();
        return true;
    case action_kind::read_events:
        client_.read_events();
        return true;
    case action_kind::consumer:
        client_.consumer();
        return true;
    case action_kind::retry_delivery:
        client_.retry_delivery(world_.random.between(0, 1) == 0 ? id : "");
        return true;
    case action_kind::pause_callback:
        client_.pause_callback();
        return true;
    case action_kind::resume_callback:
        client_.resume_callback();
        return true;
    case action_kind::flush_callback:
        client_.flush_callback();
        return true;
    case action_kind::dismiss:
        client_.dismiss();
        return true;
    case action_kind::retry_dead:
        client_.retry_dead();
        return true;
    case action_kind::test_callback:
        client_.test_callback();
        return true;
    case action_kind::maintenance:
        client_.begin_maintenance();
        return true;
    default:
        return false;
    }
}

void director::reload(action_kind kind) {
    if (kind == action_kind::reload_token) {
        world_.change_token();
    } else {
        world_.reload(draw_reload(world_.config, kind, world_.random));
    }
}

void director::fill_disk() {
    world_.set_full(true);
    const milliseconds span = world_.some_milliseconds(seconds(1), minutes(8));
    world_.watch.on_store_trouble(span + seconds(60));
    world_.clock.after(span, [this] {
        if (!world_.is_safe) world_.set_full(false);
    });
}

void director::begin_fault() {
    proof_fault fault;
    fault.what = static_cast<proof_fault::kind>(world_.random.between(1, 9));
    fault.from = world_.clock.now().steady;
    fault.until = fault.from + world_.some_milliseconds(seconds(1), minutes(15));
    fault.share = world_.random.between(0, 1) == 0 ? 1.0 : world_.random.unit();
    world_.proof.faults.push_back(fault);
}

void director::poison(const std::string& id) {
    constexpr std::array kinds{proof_fault::kind::silence,      proof_fault::kind::server_error,
                               proof_fault::kind::unauthorized, proof_fault::kind::forbidden,
                               proof_fault::kind::unusable,     proof_fault::kind::not_found,
                               proof_fault::kind::bad_request};
    proof_fault fault;
    fault.what = kinds.at(static_cast<std::size_t>(world_.random.between(0, 6)));
    fault.from = world_.clock.now().steady;
    fault.until = fault.from + world_.some_milliseconds(minutes(1), minutes(30));
    world_.proof.poisoned.emplace(id, fault);
}

/// Proof changes its mind at this very instant.
void director::move_proof(const std::string& id) {
    const auto found = world_.proof.transactions.find(id);
    if (found == world_.proof.transactions.end()) return;
    const steady_time now = world_.clock.now().steady;
    const track::status_kind is = track::classify_status(found->second.status_at(now));
    random_source& random = world_.random;
    if (is == track::status_kind::completed && random.between(0, 9) != 0) return; // rarely taken back
    constexpr std::array open{"pending", "processing", "completed", "completed", "failed", "cancelled"};
    constexpr std::array failed{"pending", "completed", "completed"};
    if (is_terminal(is)) {
        found->second.move_to(failed.at(static_cast<std::size_t>(random.between(0, 2))), now);
    } else {
        found->second.move_to(open.at(static_cast<std::size_t>(random.between(0, 5))), now);
    }
}

void director::jump_clock() {
    random_source& random = world_.random;
    if (world_.clock.wall_error() != milliseconds(0) && random.between(0, 1) == 0) {
        world_.jump_clock(-world_.clock.wall_error()); // NTP sets it right
        return;
    }
    const int direction = random.between(0, 1) == 0 ? 1 : -1;
    milliseconds by(random.between(1'000, 40'000));
    if (random.between(0, 3) != 0) {
        by = random.between(0, 1) == 0 ? milliseconds(std::chrono::hours(random.between(1, 48)))
                                       : milliseconds(std::chrono::days(random.between(2, 90)));
    }
    by *= direction;
    world_.jump_clock(by);
}

} // namespace prooftrack::sim
